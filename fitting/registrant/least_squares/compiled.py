"""A stage for the compiled kernels: the same terms as arrays."""

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...kernels import kernels
from ...solvers.levenberg_marquardt import chunks
from ...solvers.torch_optimizer import IterationCallback
from .unknowns import Point

if TYPE_CHECKING:
    from .stage import StageLeastSquares

_N_ROUNDS = 2
_FINGERS = ("index", "middle", "pinky", "ring", "thumb")


class CompiledStage:
    """A stage that the compiled kernels can minimise.

    Args:
        stage: The stage: points, tolerances and accelerations, of which rotations and the translation are sought.
        module: The kernels.
    """

    def __init__(self, stage: "StageLeastSquares", module: ModuleType) -> None:
        self._stage, self._kernels = stage, module

    def minimise(
        self, n_iter: int, ftol: float, damping: float, chunk: int, overlap: int, on_iteration: IterationCallback | None
    ) -> tuple[int, float]:
        """As `LevenbergMarquardt.minimise`; the stage then stands at the point that was found.

        What the kernels take as given, the expression and the contour of the face, is brought up to date between rounds.
        """
        stage = self._stage
        if stage.has_shared:
            return self._with_shape(n_iter, ftol, damping, on_iteration)
        n_rounds = _N_ROUNDS if "expression" in stage.unknowns.frame_values or not stage.has_fixed_levers else 1
        done, loss = 0, 0.0
        for number in range(n_rounds):
            steps = n_iter if number == 0 else max(2, n_iter // 3)
            taken, loss = self._round(steps, ftol, damping, chunk, overlap, on_iteration)
            done = max(done, taken)
            if "expression" in stage.unknowns.frame_values:
                stage.with_best_expression()
        return done, loss

    def _round(
        self, n_iter: int, ftol: float, damping: float, chunk: int, overlap: int, on_iteration: IterationCallback | None
    ) -> tuple[int, float]:
        """The kernels once."""
        stage, module = self._stage, self._kernels
        arrays, rest_root = self._arrays()
        moves = "transl" in stage.unknowns.frame_values
        active = np.array(sorted(stage.unknowns.joints), np.int32)
        rotations = _array(stage.point.rotations.permute(3, 2, 0, 1))
        roots = _array(rest_root + (stage.point.values[:3].mT if moves else self._fixed_transl()))
        if stage.couples_frames:
            done, loss = 0, 0.0
            windows = chunks(stage.n_frames, chunk, overlap) if stage.n_frames > chunk else [(slice(None), slice(None))]
            for window, within in windows:
                groups = [module.Group(part, moves and number == 0) for number, part in enumerate(self._bands(active)) if len(part)]
                report = None if on_iteration is None else lambda step, cost: on_iteration(step, cost, {})
                steps, cost, turned, placed = module.fit_track(
                    arrays.part(window), groups, rotations[window], roots[window], n_iter, ftol, report
                )
                kept = slice((window.start or 0) + (within.start or 0), None if within.stop is None else (window.start or 0) + within.stop)
                rotations[kept], roots[kept] = turned[within], placed[within]
                done, loss = max(done, steps), loss + cost
        else:
            share = None if on_iteration is None else lambda part, cost: on_iteration(max(1, int(part * n_iter)), cost, {})
            group = module.Group(active, moves)
            done, loss = module.fit_each(arrays, group, rotations, roots, n_iter, ftol, damping, torch.get_num_threads(), share)
        values = stage.point.values.clone()
        if moves:
            values[:3] = (torch.from_numpy(roots) - rest_root).mT
        stage.point = Point(torch.from_numpy(rotations).permute(2, 3, 1, 0), values, stage.point.shared)
        return done, loss

    def _with_shape(self, n_iter: int, ftol: float, damping: float, on_iteration: IterationCallback | None) -> tuple[int, float]:
        """The shape with the poses; all frames at once."""
        stage = self._stage
        assert stage.carriers is not None
        arrays, rest_root = self._arrays()
        ways = stage.carriers.dirs_of_ways()
        estimate = stage.shared_estimate()
        betas = _array(stage.point.shared)
        rotations, roots = _array(stage.point.rotations.permute(3, 2, 0, 1)), _array(rest_root + stage.point.values[:3].mT)
        report = None if on_iteration is None else lambda step, cost: on_iteration(step, cost, {})
        done, loss, found, rotations, roots = self._kernels.fit_shape(
            arrays, self._kernels.Group(np.array(sorted(stage.unknowns.joints), np.int32), True), _array(stage.carriers.offset_dirs()),
            _array(torch.einsum("cq,qas->cas", self._spread, ways)), (_array(estimate[0]), _array(estimate[1])), betas, rotations, roots,
            n_iter, ftol, damping, report,
        )  # fmt: skip
        shared = torch.from_numpy(found)
        moved = stage.carriers.root_dirs() @ (shared - stage.point.shared)
        values = stage.point.values.clone()
        values[:3] = (torch.from_numpy(roots) - (rest_root + moved)).mT
        stage.point = Point(torch.from_numpy(rotations).permute(2, 3, 1, 0), values, shared)
        return done, loss

    def _bands(self, active: NDArray[np.int32]) -> list[NDArray[np.int32]]:
        """The body, then what hangs on it by one joint and is sought by itself: each hand and the face."""
        names = self._stage.joint_names
        of_face = np.array([names[joint].startswith("jaw") or "eye" in names[joint] for joint in active], bool)
        of_hand = {
            side: np.array([names[joint].startswith(side) and any(finger in names[joint] for finger in _FINGERS) for joint in active], bool)
            for side in ("left", "right")
        }
        body = ~(of_face | of_hand["left"] | of_hand["right"])
        return [active[part] for part in (body, of_hand["left"], of_hand["right"], of_face)]

    def _fixed_transl(self) -> Tensor:
        transl = self._stage.unknowns.parameters["transl"].detach()
        return transl[self._stage.frames] if len(transl) > 1 else transl.expand(self._stage.n_frames, -1)

    def _arrays(self) -> tuple[Any, Tensor]:
        """The arrays of the kernels, and the (1 or F, 3) place of the root at rest."""
        stage, carriers, points = self._stage, self._stage.carriers, self._stage.points
        assert carriers is not None
        assert points is not None
        rest, levers, weight = carriers.at_rest(stage)
        parents = carriers.parents
        # What hangs on each joint: the way from it, times the weight; joints hang on their parents.
        above = torch.tensor([max(parent, 0) for parent in parents])
        offsets = rest - rest[:, above]
        ways = torch.cat(_broadcast(offsets, levers - rest[:, carriers.pair_joint] * weight), 1)
        offsets[:, 0] = 0
        shares = torch.cat(_broadcast(torch.ones_like(rest[0]), weight), 0)
        by_pair = (points.matrix @ carriers.to_keypoints).numpy()
        starts, joints, rows = _contacts(by_pair, carriers.joint.numpy())
        spread = np.zeros((len(joints), by_pair.shape[1]), np.float32)
        spread[rows[0], rows[1]] = rows[2]
        self._spread = spread_t = torch.from_numpy(spread)
        n_joints = len(parents)
        usual, tolerance, pace, root_pace = stage.prior_tables(n_joints)
        return self._kernels.PoseArrays(
            parents=np.array(parents, np.int32),
            offsets=_array(offsets.permute(2, 1, 0)),
            starts=starts,
            joints=joints,
            weights=_array((spread_t @ shares).mT),
            levers=_array((spread_t @ ways).permute(2, 1, 0)),
            usual=_array(usual),
            shares=_array(tolerance),
            targets=_array(points.target.permute(2, 1, 0)),
            importance=_array(points.weight.mT),
            bends=_array(points.sigma[:, 0].square().reciprocal()),
            pace=_array(pace),
            root_pace=root_pace,
        ), rest[:, 0].mT


def compiled(stage: "StageLeastSquares") -> CompiledStage | None:
    """The stage for the compiled kernels, or None where it has more to it than they know, or they are not there."""
    unknowns = stage.unknowns
    knows_all = stage.generic is None and stage.points is not None and not unknowns.by_components and bool(unknowns.joints)
    only_places = set(unknowns.frame_values) <= {"transl", "expression"}
    if stage.has_shared:
        only_places = set(unknowns.frame_values) == {"transl"} and set(unknowns.shared_values) == {"betas"} and not stage.couples_frames
        knows_all = knows_all and stage.carriers is not None and stage.carriers.is_linear_in_betas
    is_simple = stage.on_evaluation is None and stage.point.rotations.device.type == "cpu" and stage.point.rotations.dtype == torch.float32
    if not (knows_all and only_places and is_simple and stage.has_single_priors):
        return None
    module = kernels()
    return None if module is None else CompiledStage(stage, module)


def _contacts(by_pair: NDArray[np.float32], joint: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32], Any]:
    """Where the contacts of each point begin, their joints, and which pairs are summed up in which contact with which factor."""
    starts: list[int] = [0]
    joints: list[int] = []
    rows: tuple[list[int], list[int], list[float]] = ([], [], [])
    for point in by_pair:
        contacts: dict[int, int] = {}
        for pair in np.flatnonzero(point):
            carrier = int(joint[pair])
            if carrier not in contacts:
                contacts[carrier] = len(joints)
                joints.append(carrier)
            rows[0].append(contacts[carrier])
            rows[1].append(int(pair))
            rows[2].append(float(point[pair]))
        starts.append(len(joints))
    return np.array(starts, np.int32), np.array(joints, np.int32), rows


def _broadcast(*tensors: Tensor) -> list[Tensor]:
    """Tensors with the same number of frames, the last dimension: one, or that of the longest."""
    n_frames = max(tensor.shape[-1] for tensor in tensors)
    return [tensor.expand(*tensor.shape[:-1], n_frames) for tensor in tensors]


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.array(tensor.detach().numpy(), np.float32, order="C")
