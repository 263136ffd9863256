"""The regression finds the distribution that ratings were drawn from."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from deeper.domains import Scale
from deeper.learning.examples.expected_ratings import (
    FACT_SETS,
    ITEM_FEATURES,
    ExpectedRatings,
    RatedItems,
    regression_inputs,
)
from deeper.learning.training import fit_expected_ratings as module
from deeper.learning.training.fit_expected_ratings import fit_expected_ratings
from deeper.learning.training.recipe import PREDICTOR
from deeper.persona.evidence.facts import Facts, KindVerdict

SCALE = Scale(1, 5, 1)
LEVELS = (2.0, 3.0, 3.5, 4.0, 5.0)
NOTHING = np.zeros((1, ITEM_FEATURES))
"""An item of which nothing is known."""


def item(standing: float = 0.0, many: float = 0.0, clear: float = 0.0, hedged: float = 0.0) -> np.ndarray:
    return np.array([[standing, standing * many, clear, hedged]])


def drawn(level: float, best: int, standing: float = 0.0, clear: float = 0.0, hedged: float = 0.0) -> np.ndarray:
    """Ratings around the level, regressed to the mean; higher with top ratings, the item's standing and its kinds."""
    middle = 2 + 0.4 * level + 0.2 * (best - 1.5) + 0.5 * standing + 0.6 * clear + 0.2 * hedged
    shares = np.exp(-0.5 * np.square(SCALE.values - middle))
    return shares / shares.sum()


def of_all(levels: Sequence[float], standing: float = 0.0) -> np.ndarray:
    """The ratings of all users with these levels, of all items with this standing."""
    others = [(best, clear, hedged) for best in range(4) for clear in (-1, 0, 1) for hedged in (-1, 0, 1)]
    return np.mean([drawn(level, one[0], standing, *one[1:]) for level in levels for one in others], axis=0)


@pytest.fixture(scope="module")
def expected() -> ExpectedRatings:
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(2500):
        known = Facts(
            10, float(rng.choice(LEVELS)), spread=int(rng.integers(4)), best=int(rng.integers(4)),
            worst=int(rng.integers(4)), known=int(rng.integers(3)), drift=int(rng.integers(-1, 2)),
        )  # fmt: skip
        standing, kinds = rng.integers(-3, 4, 10) / 3, rng.integers(-1, 2, (10, 2))
        items = np.column_stack([standing, standing * rng.integers(0, 2, 10), kinds])
        told = zip(standing, kinds, strict=True)
        ratings = [rng.multinomial(1, drawn(known.median, known.best, one, *kind)) for one, kind in told]
        cases.append(RatedItems(known, items, np.array(ratings, np.float64)))
    return fit_expected_ratings(cases, SCALE)


@pytest.mark.parametrize("level", LEVELS)
def test_it_is_what_the_ratings_were_drawn_from(expected: ExpectedRatings, level: float) -> None:
    for best, standing, clear, hedged in ((0, 0, 0, 0), (1, 1, 0, 0), (3, -1, 1, 0), (2, 0, -1, 1), (2, 0, 0, -1)):
        [found] = expected.predict(Facts(10, level, best=best), item(standing, 0, clear, hedged))
        assert found.sum() == pytest.approx(1)
        np.testing.assert_allclose(found, drawn(level, best, standing, clear, hedged), atol=0.05)


def test_the_median_alone_knows_nothing_of_the_other_facts_and_of_kinds(expected: ExpectedRatings) -> None:
    known = Facts(10, 4.0, spread=2, best=2, worst=1, known=2, drift=1, kinds=(KindVerdict("x", 2),))
    alone = expected.predict(known, NOTHING, "median")
    assert np.array_equal(alone, expected.predict(Facts(3, 4.0), item(clear=1, hedged=-1), "median"))
    assert not np.array_equal(alone, expected.predict(replace(known, median=4.5), NOTHING, "median"))
    np.testing.assert_allclose(alone[0], of_all([4.0]), atol=0.02)


def test_of_nobody_it_is_all_ratings_of_such_an_item(expected: ExpectedRatings) -> None:
    for standing in (0.0, 1.0):
        [found] = expected.predict(Facts(10, 1.0, best=3), item(standing, clear=1), "nothing")
        np.testing.assert_allclose(found, of_all(LEVELS, standing), atol=0.03)


def test_all_facts_that_a_persona_says_and_no_other_are_its_inputs() -> None:
    known = Facts(10, 4.0, spread=1, best=2, worst=1, known=1, drift=0)
    inputs = regression_inputs(known, NOTHING, SCALE, "all")
    for change in ({"median": 3.5}, {"spread": 2}, {"best": 1}, {"worst": 0}, {"known": 2}, {"drift": -1}):
        assert not np.array_equal(inputs, regression_inputs(replace(known, **change), NOTHING, SCALE, "all")), change
    # No text says a count, and of kinds it is the item that is one or none.
    same = replace(known, count=99, kinds=(KindVerdict("x", 2),))
    assert np.array_equal(inputs, regression_inputs(same, NOTHING, SCALE, "all"))
    for column in range(ITEM_FEATURES):
        one = np.eye(ITEM_FEATURES)[column : column + 1]
        moved = [stated for stated in FACT_SETS
                 if not np.array_equal(regression_inputs(known, one, SCALE, stated),
                                       regression_inputs(known, NOTHING, SCALE, stated))]  # fmt: skip
        assert moved == (list(FACT_SETS) if column < 2 else ["all"])


def test_a_level_means_the_same_share_of_every_scale() -> None:
    wide = Scale(0, 8, 2)
    known, of_wide = Facts(10, 4.0), Facts(10, 6.0)
    assert np.array_equal(
        regression_inputs(known, NOTHING, SCALE, "all"), regression_inputs(of_wide, NOTHING, wide, "all")
    )


def test_a_rare_level_is_not_that_of_one_user() -> None:
    many = [RatedItems(Facts(10, level), NOTHING, drawn(level, 0)[None]) for level in (3.0, 4.0) for _ in range(200)]
    strange = RatedItems(Facts(10, 3.5), NOTHING, np.eye(5)[:1])
    [found] = fit_expected_ratings([*many, strange], SCALE).predict(Facts(10, 3.5), NOTHING)
    likely = np.mean([drawn(level, 0) for level in (3.0, 4.0)], axis=0) @ SCALE.values
    assert found[0] < 0.2 and found @ SCALE.values == pytest.approx(likely, abs=0.15)


def test_a_feature_that_hardly_anyone_has_gets_no_large_coefficient(monkeypatch: pytest.MonkeyPatch) -> None:
    many = np.zeros((600, ITEM_FEATURES))
    plain = [RatedItems(Facts(10, level), many, np.tile(drawn(level, 0), (600, 1))) for level in LEVELS]
    rare = RatedItems(Facts(10, 3.0), item(clear=1.0), np.eye(5)[4:])

    def effect() -> float:
        fitted = fit_expected_ratings([*plain, rare], SCALE)
        usual, liked = (fitted.predict(Facts(10, 3.0), one)[0] @ SCALE.values for one in (NOTHING, item(clear=1.0)))
        return liked - usual

    found = effect()
    monkeypatch.setattr(module, "PREDICTOR", replace(PREDICTOR, least_deviation=0.02))
    assert 0 < found < 0.5 < effect() / 2
