import numpy as np
import pytest

from tools.build_default_body.phenotypes import ALWAYS, ETHNICITIES, LOCAL_TARGETS, POPULATIONS, Phenotype, draw_adult, target_weights


def sum_of(weights, start):
    return sum(weight for name, weight in weights.items() if name.startswith(start))


@pytest.mark.parametrize("gender", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("build", [{}, {"muscle": 0.8}, {"weight": 0.1}, {"weight": 1.35}, {"age": 0.8}])
def test_shares_sum_to_one(gender, build):
    weights = target_weights(Phenotype(gender=gender, **build))
    assert sum_of(weights, "macrodetails/universal-") == pytest.approx(1)
    assert sum(sum_of(weights, f"macrodetails/{ethnicity}-") for ethnicity in ETHNICITIES) == pytest.approx(1)
    assert sum_of(weights, "macrodetails/universal-male") == pytest.approx(gender)


def test_average_is_one_target():
    weights = target_weights(Phenotype(gender=1.0, ethnicities=(0, 0, 1)))
    assert weights == {"macrodetails/caucasian-male-young": 1, "macrodetails/universal-male-young-averagemuscle-averageweight": 1} | ALWAYS


def test_weight_goes_on_above_one():
    weights = target_weights(Phenotype(gender=1.0, weight=1.25))
    assert weights["macrodetails/universal-male-young-averagemuscle-maxweight"] == pytest.approx(1.5)
    assert weights["macrodetails/universal-male-young-averagemuscle-averageweight"] == pytest.approx(-0.5)


@pytest.mark.parametrize(("height", "expected"), [(0.5, {}), (0.75, {"max": 0.5}), (0.1, {"min": 0.8}), (1.2, {"max": 1.4})])
def test_height_has_no_effect_at_the_average(height, expected):
    weights = target_weights(Phenotype(gender=0.0, height=height))
    found = {name.rsplit("-", 1)[1].removesuffix("height"): weight for name, weight in weights.items() if "/height/" in name}
    assert found == pytest.approx(expected)


def test_women_only_have_breast_targets():
    shapes = {"cup_size": 0.75, "firmness": 0.5}
    assert sum_of(target_weights(Phenotype(gender=1.0, **shapes)), "breast/male") == 0
    weights = target_weights(Phenotype(gender=0.0, **shapes))
    assert weights["breast/female-young-averagemuscle-averageweight-maxcup-averagefirmness"] == pytest.approx(0.5)
    assert not any("averagecup-averagefirmness" in name for name in weights)


def test_local_targets_go_both_ways_on_both_sides():
    local = [0.0] * len(LOCAL_TARGETS)
    hands = [names for names, _ in LOCAL_TARGETS].index(("hands/l-hand-scale", "hands/r-hand-scale"))
    local[0], local[hands] = 0.4, -0.2
    weights = target_weights(Phenotype(gender=1.0, local=tuple(local)))
    assert weights["legs/measure-upperleg-height-incr"] == 0.4
    assert weights["hands/l-hand-scale-decr"] == weights["hands/r-hand-scale-decr"] == 0.2
    assert sum(name.endswith(("-incr", "-decr")) for name in weights) == 3 + len(ALWAYS)


@pytest.mark.parametrize("gender", ["male", "female"])
def test_drawn_adults_have_the_distribution_of_the_table(gender):
    rng = np.random.default_rng(5)
    drawn = [draw_adult(rng, gender) for _ in range(2000)]
    statures = np.array([stature for _, stature in drawn])
    mean, sd = POPULATIONS[gender].stature
    assert statures.mean() == pytest.approx(mean, abs=4 * sd / 2000**0.5)
    assert statures.std() == pytest.approx(sd, rel=0.1)
    genders = np.array([adult.gender for adult, _ in drawn])
    assert ((genders >= 0.7) if gender == "male" else (genders <= 0.3)).all()
    assert all(0.5 <= adult.age <= 1 and 0.1 <= adult.weight <= 1.35 and abs(sum(adult.ethnicities) - 1) < 1e-9 for adult, _ in drawn)
    assert np.std([adult.local[0] for adult, _ in drawn]) == pytest.approx(0.35, rel=0.1)


def test_local_variety_of_zero():
    adult, _ = draw_adult(np.random.default_rng(0), "male", local_variety=0)
    assert adult.local == (0.0,) * len(LOCAL_TARGETS)
