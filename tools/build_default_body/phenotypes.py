"""Draws adults: who they are in MakeHuman's terms, and the weights of the targets that shape them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

MUSCLE = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHT = ("minweight", "averageweight", "maxweight")
CUP_SIZE = ("mincup", "averagecup", "maxcup")
FIRMNESS = ("minfirmness", "averagefirmness", "maxfirmness")
ETHNICITIES = ("african", "asian", "caucasian")
ALWAYS = {"breast/nipple-point-decr": 1.0}
"""Worn by every body: the default body is modest."""


@dataclass(frozen=True)
class Population:
    """How the adults of one gender are distributed; means and standard deviations.

    Attributes:
        muscle, weight: Of MakeHuman's parameters, 0.5 is average.
        stature: Metres.
    """

    muscle: tuple[float, float]
    weight: tuple[float, float]
    stature: tuple[float, float]


POPULATIONS = {
    "male": Population(muscle=(0.52, 0.16), weight=(0.75, 0.26), stature=(1.76, 0.073)),
    "female": Population(muscle=(0.45, 0.16), weight=(0.82, 0.27), stature=(1.63, 0.066)),
}
GENDER_SD, GENDER_MAX = 0.06, 0.3  # a little of the other gender, one-sided
AGE_BETA = (1.3, 2.3)
WEIGHT_RANGE = (0.1, 1.35)  # above 1 extrapolates, to reach a body mass index of 35 to 40
PROPORTIONS, CUP, FIRM = (0.55, 0.15), (0.45, 0.18), (0.5, 0.2)
ETHNICITY_CONCENTRATION = 0.8

LOCAL_TARGETS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("legs/measure-upperleg-height",), 0.35),
    (("legs/measure-lowerleg-height",), 0.35),
    (("arms/measure-upperarm-length",), 0.35),
    (("arms/measure-lowerarm-length",), 0.35),
    (("neck/measure-neck-height",), 0.3),
    (("torso/measure-shoulder-dist",), 0.35),
    (("torso/measure-hips-circ",), 0.3),
    (("torso/measure-waist-circ",), 0.3),
    (("torso/measure-bust-circ",), 0.3),
    (("legs/measure-thigh-circ",), 0.3),
    (("legs/measure-calf-circ",), 0.3),
    (("arms/measure-upperarm-circ",), 0.3),
    (("torso/torso-scale-vert",), 0.25),
    (("torso/torso-vshape",), 0.3),
    (("stomach/stomach-tone",), 0.3),
    (("buttocks/buttocks-volume",), 0.35),
    (("head/head-scale-horiz",), 0.25),
    (("head/head-scale-vert",), 0.25),
    (("head/head-scale-depth",), 0.25),
    (("head/head-fat",), 0.25),
    (("hands/l-hand-scale", "hands/r-hand-scale"), 0.3),
    (("feet/l-foot-scale", "feet/r-foot-scale"), 0.3),
    (("neck/measure-neck-circ",), 0.3),
    (("hip/hip-scale-horiz",), 0.25),
    (("torso/torso-scale-depth",), 0.2),
)
"""Targets that vary one measure, without their ending -decr or -incr, and the standard deviation of their weight."""


@dataclass(frozen=True)
class Phenotype:
    """An adult, by MakeHuman's parameters; 0.5 is average, but for gender (0 female, 1 male) and age (0.5 young, 1 old).

    Attributes:
        ethnicities: Shares of `ETHNICITIES`, sum 1.
        local: Weight of each of `LOCAL_TARGETS`, -1 to 1.
    """

    gender: float
    age: float = 0.5
    muscle: float = 0.5
    weight: float = 0.5
    height: float = 0.5
    proportions: float = 0.5
    cup_size: float = 0.5
    firmness: float = 0.5
    ethnicities: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)
    local: tuple[float, ...] = (0.0,) * len(LOCAL_TARGETS)

    def with_height(self, height: float) -> "Phenotype":
        """The same person with another height parameter."""
        return replace(self, height=height)


def draw_adult(rng: np.random.Generator, gender: str, local_variety: float = 1.0) -> tuple[Phenotype, float]:
    """A random adult of average height parameter, and the stature in metres that they shall have.

    Args:
        rng: Where chance comes from.
        gender: "male" or "female".
        local_variety: Factor on the variation of single measures; 0 for none.
    """
    population = POPULATIONS[gender]

    def clipped(mean_sd: tuple[float, float], low: float = 0.0, high: float = 1.0) -> float:
        return float(np.clip(rng.normal(*mean_sd), low, high))

    other = float(np.clip(abs(rng.normal(0, GENDER_SD)), 0, GENDER_MAX))
    adult = Phenotype(
        gender=1 - other if gender == "male" else other,
        age=0.5 + 0.5 * rng.beta(*AGE_BETA),
        muscle=clipped(population.muscle),
        weight=clipped(population.weight, *WEIGHT_RANGE),
        proportions=clipped(PROPORTIONS),
        cup_size=clipped(CUP),
        firmness=clipped(FIRM),
        ethnicities=tuple(rng.dirichlet([ETHNICITY_CONCENTRATION] * len(ETHNICITIES))),
    )
    stature = float(rng.normal(*population.stature))
    local = tuple(clipped((0.0, sd * local_variety), -1.0) for _, sd in LOCAL_TARGETS)
    return replace(adult, local=local), stature


def target_weights(adult: Phenotype) -> dict[str, float]:
    """Weights of all targets of an adult, by target name; products of the shares of each parameter, as in MakeHuman's `macro.json`."""
    genders = {"female": 1 - adult.gender, "male": adult.gender}
    ages = {"young": 2 - 2 * adult.age, "old": 2 * adult.age - 1}
    builds = _shares(_three_anchors(adult.muscle, MUSCLE), _three_anchors(adult.weight, WEIGHT))
    heights = _ends(adult.height, "minheight", "maxheight")
    proportions = _ends(adult.proportions, "uncommonproportions", "idealproportions")
    breasts = _shares(_three_anchors(adult.cup_size, CUP_SIZE), _three_anchors(adult.firmness, FIRMNESS))
    del breasts["averagecup-averagefirmness"]  # the universal target has it
    weights = dict(ALWAYS)
    for who, share in _shares(genders, ages).items():
        for ethnicity, of_ethnicity in zip(ETHNICITIES, adult.ethnicities, strict=True):
            weights[f"macrodetails/{ethnicity}-{who}"] = share * of_ethnicity
        for build, of_build in _shares({who: share}, builds).items():
            weights[f"macrodetails/universal-{build}"] = of_build
            weights |= _shares({f"macrodetails/height/{build}": of_build}, heights)
            weights |= _shares({f"macrodetails/proportions/{build}": of_build}, proportions)
            if who.startswith("female"):
                weights |= _shares({f"breast/{build}": of_build}, breasts)
    for (names, _), value in zip(LOCAL_TARGETS, adult.local, strict=True):
        ending = "incr" if value > 0 else "decr"
        weights |= {f"{name}-{ending}": abs(value) for name in names}
    return {name: weight for name, weight in weights.items() if weight != 0}


def _three_anchors(value: float, names: tuple[str, str, str]) -> dict[str, float]:
    """Shares of the targets at 0, 0.5 and 1; they sum to 1, and go on linearly above 1."""
    low, middle, high = names
    return {low: max(0.0, 1 - 2 * value), middle: min(2 * value, 2 - 2 * value), high: max(0.0, 2 * value - 1)}


def _ends(value: float, low: str, high: str) -> dict[str, float]:
    """Shares of two opposite targets; neither at 0.5."""
    return {low: max(0.0, 1 - 2 * value), high: max(0.0, 2 * value - 1)}


def _shares(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Products of two parameters, under joined names."""
    return {f"{a}-{b}": first[a] * second[b] for a, b in product(first, second)}
