"""From MakeHuman's A-pose to the T-pose of the SMPL family: arms along the x axis, palms down, legs nearly upright.

The same T-pose as that of the default body, which `tools/build_default_body` makes.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_quaternion, swing
from .anny_files import KEPT_VERTICES, Rig

_COLLAR_UP, _THIGH_OUT, _SHIN_OUT, _FOOT_OUT = (math.radians(degrees) for degrees in (8.0, 3.0, 0.5, 5.0))
_FOREARM_TWIST = {"lowerarm01": 0.35, "lowerarm02": 0.8}  # share of the twist between elbow and wrist
_KNUCKLE, _KNUCKLE_DROP, _PHALANX_DROP = (1.0, 0.12, 0.75), (0.0, 0.03, 0.0), (0.0, 0.05, 0.0)
_FINGERS = (2, 3, 4, 5)
_SIDES = {"L": 1.0, "R": -1.0}


def to_t_pose(rig: Rig, bodies: Tensor) -> Tensor:
    """(N, V, 3) the vertices that are kept of bodies (N, 19158, 3) in the A-pose, brought into the T-pose; metres."""
    heads, tails = (torch.stack([bodies[:, list(of)].mean(1) for of in ends], 1) for ends in (rig.heads, rig.tails))
    rotations = _bone_rotations(rig, heads, tails)
    posed = heads.clone()
    for bone, parent in enumerate(rig.parents):
        if parent >= 0:
            posed[:, bone] = posed[:, parent] + _turned(rotations[:, parent], heads[:, bone] - heads[:, parent])
    translations = posed - _turned(rotations, heads)
    return _skin(bodies[:, torch.from_numpy(KEPT_VERTICES)], torch.from_numpy(rig.weights), rotations, translations)


def _bone_rotations(rig: Rig, heads: Tensor, tails: Tensor) -> Tensor:
    """(N, B, 3, 3) rotation in the world of each bone from the A-pose to the T-pose; a bone without its own takes its parent's."""
    own: dict[str, Tensor] = {}
    for side, sign in _SIDES.items():
        index = {name.removesuffix(f".{side}"): bone for bone, name in enumerate(rig.names) if name.endswith(f".{side}")}
        limbs = _Limbs({name: heads[:, bone] for name, bone in index.items()}, {name: tails[:, bone] for name, bone in index.items()}, sign)
        own |= {f"{name}.{side}": rotation for name, rotation in (limbs.arm() | limbs.leg()).items()}
    rotations = heads.new_zeros(*heads.shape, 3)
    for bone, (name, parent) in enumerate(zip(rig.names, rig.parents, strict=True)):
        rotations[:, bone] = own[name] if name in own else rotations[:, parent] if parent >= 0 else torch.eye(3)
    return rotations


class _Limbs:
    """Arm and leg of one side of N bodies.

    Args:
        heads: (N, 3) beginning of each bone by name.
        tails: (N, 3) its end.
        sign: 1 for the left side, which is towards +x, else -1.
    """

    def __init__(self, heads: Mapping[str, Tensor], tails: Mapping[str, Tensor], sign: float) -> None:
        self._heads, self._tails, self._sign = heads, tails, sign
        self._outward = heads["wrist"].new_tensor([sign, 0.0, 0.0]).expand_as(heads["wrist"])

    def arm(self) -> dict[str, Tensor]:
        """Rotation of each bone of the arm, which comes to lie along the x axis, and of the fingers; the thumb follows the hand."""
        collar = self._about((0.0, 0.0, 1.0), _COLLAR_UP)
        upper = self._aligned(collar, self._span("upperarm01", "lowerarm01"), self._outward)
        lower = self._aligned(upper, self._span("lowerarm01", "wrist"), self._outward)
        hand = self._hand()
        twist = (matrix_to_axis_angle(hand @ lower.mT) * self._outward).sum(-1, keepdim=True)
        rotations = {"clavicle": collar, "shoulder01": collar, "upperarm01": upper, "upperarm02": upper, "wrist": hand}
        rotations |= {bone: axis_angle_to_matrix(share * twist * self._outward) @ lower for bone, share in _FOREARM_TWIST.items()}
        rotations |= {f"metacarpal{number}": hand for number in (1, 2, 3, 4)}
        for finger in _FINGERS:
            rotations |= self._finger([f"finger{finger}-{phalanx}" for phalanx in (1, 2, 3)], hand)
        return rotations

    def leg(self) -> dict[str, Tensor]:
        """Rotation of each bone of the leg: nearly upright from the front, its slope from the side kept; the foot only turned outwards."""
        thigh_span, shin_span = self._span("upperleg01", "lowerleg01"), self._span("lowerleg01", "foot")
        thigh = swing(normalize(thigh_span, dim=-1), self._hanging(thigh_span, _THIGH_OUT))
        shin = self._aligned(thigh, shin_span, self._hanging(_turned(thigh, shin_span), _SHIN_OUT))
        toes = (self._heads["toe2-1"] + self._heads["toe3-1"]) / 2 - self._heads["foot"]
        foot = self._about((0.0, 1.0, 0.0), _FOOT_OUT - torch.atan2(self._sign * toes[:, 0], toes[:, 2]))
        return {"upperleg01": thigh, "upperleg02": thigh, "lowerleg01": shin, "lowerleg02": shin, "foot": foot}

    def _hand(self) -> Tensor:
        """Lays the palm down: the middle finger outwards, the index finger in front."""
        front = self._outward.new_tensor([0.0, 0.0, 1.0]).expand_as(self._outward)
        return _frame(self._outward, front) @ _frame(self._span("wrist", "finger3-1"), self._span("finger5-1", "finger2-1")).mT

    def _finger(self, phalanges: list[str], hand: Tensor) -> dict[str, Tensor]:
        """Straightens a finger: the first phalanx near the plane of the palm, the others in line with it."""
        rotations, rotation = {}, hand
        direction = _turned(hand, self._length(phalanges[0]))
        for phalanx in phalanges:
            direction = normalize(direction, dim=-1)
            first = phalanx == phalanges[0]
            scale, drop = (direction.new_tensor(values) for values in ((_KNUCKLE, _KNUCKLE_DROP) if first else ((1.0,) * 3, _PHALANX_DROP)))
            rotation = self._aligned(rotation, self._length(phalanx), direction * scale - drop)
            rotations[phalanx], direction = rotation, _turned(rotation, self._length(phalanx))
        return rotations

    def _hanging(self, span: Tensor, outwards: float) -> Tensor:
        """The direction of a span that hangs down at an angle, seen from the front, with the same length there and the same depth."""
        length = torch.hypot(span[:, 0], span[:, 1])
        hanging = [self._sign * math.sin(outwards) * length, -math.cos(outwards) * length, span[:, 2]]
        return normalize(torch.stack(hanging, -1), dim=-1)

    def _aligned(self, before: Tensor, span: Tensor, direction: Tensor) -> Tensor:
        """What takes a span to a direction: the rotation `before`, then the smallest one."""
        return swing(normalize(_turned(before, span), dim=-1), normalize(direction, dim=-1)) @ before

    def _about(self, axis: tuple[float, float, float], angle: Tensor | float) -> Tensor:
        """(N, 3, 3) rotations about an axis; those of the right side are mirror images of those of the left."""
        angles = torch.as_tensor(angle).expand(len(self._outward))
        return axis_angle_to_matrix(self._sign * angles[:, None] * self._outward.new_tensor(axis))

    def _span(self, first: str, last: str) -> Tensor:
        return self._heads[last] - self._heads[first]

    def _length(self, bone: str) -> Tensor:
        return self._tails[bone] - self._heads[bone]


def _frame(along: Tensor, across: Tensor) -> Tensor:
    """(N, 3, 3) axes as columns: the first one along, the plane of the first and the third holds across."""
    x = normalize(along, dim=-1)
    y = normalize(torch.linalg.cross(x, across), dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def _turned(rotation: Tensor, vectors: Tensor) -> Tensor:
    return (rotation @ vectors[..., None])[..., 0]


def _skin(points: Tensor, weights: Tensor, rotations: Tensor, translations: Tensor) -> Tensor:
    """(N, V, 3) points moved with bones by dual quaternions (Kavan et al., 2007), which keep the volume of joints that turn far."""
    real = matrix_to_quaternion(rotations)
    scalar = -(translations * real[..., 1:]).sum(-1, keepdim=True)
    vector = translations * real[..., :1] + torch.linalg.cross(translations, real[..., 1:])
    blend = weights @ torch.cat([real, scalar / 2, vector / 2], -1)
    w, v, dual_w, dual_v = torch.split(blend / blend[..., :4].norm(dim=-1, keepdim=True), [1, 3, 1, 3], -1)
    turned = points + 2 * torch.linalg.cross(v, torch.linalg.cross(v, points) + w * points)
    moved: Tensor = turned + 2 * (w * dual_v - dual_w * v + torch.linalg.cross(v, dual_v))
    return moved
