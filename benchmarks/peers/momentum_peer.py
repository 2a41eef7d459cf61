"""Momentum (pymomentum-cpu, MIT): Gauss-Newton in C++, the strongest peer on joints only. Python 3.12 or 3.13.

``pip install numpy scipy && pip install --no-deps pymomentum-cpu`` is enough: the parts in use need no PyTorch.
It is given the body as a skeleton whose joints move with ten shape parameters, our start, and a prior.

Variants: "frame" solves each frame for itself, with the betas of a first pass over some frames; "sequence" then solves
all frames at once, with shared betas and small accelerations of the joints.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from contract import Arrays, Fit, rest_joints, run_as_script
from numpy.typing import NDArray
from pymomentum import geometry, solver2
from scipy.spatial.transform import Rotation

CM = 100.0
"""Momentum's own unit, in metres the other way round."""
N_BETAS = 10
BETAS = slice(75, 75 + N_BETAS)
PARAMETER_FACTOR = 0.1
"""What Momentum multiplies the squares of `ModelParametersErrorFunction` by; it squares their weights, those of positions not."""
Y_TO_Z = Rotation.from_rotvec([-np.pi / 2, 0, 0])
"""Turns the axes of the root: its heading is then the outermost Euler angle, and no gimbal locks, however far the body turns."""
ACCELERATION_SIGMA = 0.4
"""Centimetres per squared frame."""
SHAPE_FRAMES = 50
"""Frames of the first pass, which finds the betas."""
FRAME_OPTIONS = {"max_iterations": 12, "min_iterations": 2, "threshold": 1e5, "regularization": 0.05, "do_line_search": False}
SEQUENCE_OPTIONS = {"max_iterations": 3, "min_iterations": 1, "multithreaded": False}


def with_values(options: Any, values: Mapping[str, Any]) -> Any:
    for name, value in values.items():
        setattr(options, name, value)
    return options


def character(inputs: Arrays) -> geometry.Character:
    """The body: 3 parameters of the place, 72 Euler angles, and the betas, which move the joints."""
    rest, dirs = rest_joints(inputs)
    parents = inputs["parents"].tolist()
    joints = []
    transform = np.zeros((7 * len(parents), BETAS.stop), np.float32)
    names = [f"t{axis}" for axis in "xyz"] + [f"r{joint}{axis}" for joint in range(len(parents)) for axis in "xyz"]
    transform[:3, :3] = np.eye(3)
    for joint, parent in enumerate(parents):
        turn = Y_TO_Z if joint == 0 else Rotation.identity()
        offset, moves = (rest[joint], dirs[joint]) if parent < 0 else (rest[joint] - rest[parent], dirs[joint] - dirs[parent])
        joints.append(geometry.Joint(f"j{joint}", parent, turn.as_quat().astype(np.float32), (CM * offset).astype(np.float32)))
        transform[7 * joint : 7 * joint + 3, BETAS] = CM * moves
        transform[7 * joint + 3 : 7 * joint + 6, 3 + 3 * joint : 6 + 3 * joint] = np.eye(3)
    skeleton = geometry.Skeleton(joints)
    names += [f"beta{index}" for index in range(N_BETAS)]
    return geometry.Character("body", skeleton, geometry.ParameterTransform(names, skeleton, transform))


def prepare(inputs: Arrays, variant: str) -> Fit:
    body = character(inputs)
    sigma = CM * float(inputs["sigma"])
    deviations = np.concatenate([np.full(6, np.inf), inputs["pose_sigma"], np.ones(N_BETAS)])
    weights = (1 / deviations / np.sqrt(PARAMETER_FACTOR)).astype(np.float32)
    targets = (CM * inputs["points"]).astype(np.float32)
    start = parameters(inputs)

    def prior(target: NDArray[Any], fixed_betas: bool) -> solver2.ModelParametersErrorFunction:
        tight = weights.copy()
        if fixed_betas:
            tight[BETAS] = 0
        return solver2.ModelParametersErrorFunction(body, target, weights=tight)

    def observed(function: solver2.PositionErrorFunction, points: NDArray[Any]) -> solver2.PositionErrorFunction:
        function.clear_constraints()
        joints = np.arange(len(points), dtype=np.int32)
        function.add_constraints(joints, target=points, weight=np.full(len(points), sigma**-2, np.float32))
        return function

    zero = np.zeros(BETAS.stop, np.float32)

    def solve_frames(frames: NDArray[Any], values: NDArray[Any], fixed_betas: bool) -> NDArray[Any]:
        positions = solver2.PositionErrorFunction(body)
        options = with_values(solver2.GaussNewtonSolverOptions(), FRAME_OPTIONS)
        function = solver2.SkeletonSolverFunction(body, [positions, prior(zero, fixed_betas)])
        enabled = np.ones(BETAS.stop, bool)
        enabled[BETAS] = not fixed_betas
        solved = []
        for frame, value in zip(frames, values, strict=True):
            observed(positions, targets[frame])
            solver = solver2.GaussNewtonSolver(function, options)
            solver.set_enabled_parameters(enabled)
            solved.append(solver.solve(value))
        return np.array(solved)

    def solve_sequence(frames: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        shared = np.zeros(BETAS.stop, bool)
        shared[BETAS] = True
        function = solver2.SequenceSolverFunction(body, len(frames), shared)
        free, held = prior(zero, fixed_betas=False), prior(zero, fixed_betas=True)
        for place, frame in enumerate(frames):
            function.add_error_function(place, observed(solver2.PositionErrorFunction(body), targets[frame]))
            function.add_error_function(place, held if place else free)  # betas are shared: their prior counts once
        if len(frames) > 2:
            smooth = solver2.AccelerationSequenceErrorFunction(body, weight=ACCELERATION_SIGMA**-2)
            function.add_sequence_error_function_all_frames(smooth)
        options = with_values(solver2.SequenceSolverOptions(), SEQUENCE_OPTIONS)
        return np.asarray(solver2.solve_sequence(function, values, options))

    def fit(chosen: slice) -> Arrays:
        frames = np.arange(len(targets))[chosen]
        some = frames[np.linspace(0, len(frames) - 1, min(SHAPE_FRAMES, len(frames))).round().astype(int)]
        values = start[frames]
        values[:, BETAS] = solve_frames(some, start[some], fixed_betas=False)[:, BETAS].mean(0)
        values = solve_frames(frames, values, fixed_betas=True)
        return answer(solve_sequence(frames, values) if variant == "sequence" else values)

    return fit


def parameters(inputs: Arrays) -> NDArray[np.float32]:
    """(F, 85) our start, as Momentum's parameters; the betas are 0."""
    pose = np.concatenate([inputs["start_global_orient"], inputs["start_body_pose"]], 1).reshape(-1, 24, 3)
    angles = np.empty(pose.shape)
    for joint in range(24):
        turns = Rotation.from_rotvec(pose[:, joint])
        angles[:, joint] = (Y_TO_Z.inv() * turns if joint == 0 else turns).as_euler("xyz")
    place = CM * inputs["start_transl"]
    return np.concatenate([place, angles.reshape(len(pose), -1), np.zeros((len(pose), N_BETAS))], 1).astype(np.float32)


def answer(values: NDArray[Any]) -> Arrays:
    angles = values[:, 3 : BETAS.start].reshape(-1, 24, 3)
    turns = [Rotation.from_euler("xyz", angles[:, joint]) for joint in range(24)]
    turns[0] = Y_TO_Z * turns[0]
    pose = np.stack([turn.as_rotvec() for turn in turns], 1)
    betas = values[:, BETAS].mean(0, keepdims=True)
    return {"global_orient": pose[:, 0], "body_pose": pose[:, 1:].reshape(len(pose), -1), "transl": values[:, :3] / CM, "betas": betas}


if __name__ == "__main__":
    run_as_script(prepare, "frame")
