"""The regression finds the distribution that ratings were drawn from."""

from dataclasses import replace

import numpy as np
import pytest

from deeper.domains import Scale
from deeper.learning.examples.expected_ratings import ExpectedRatings, RatedItems
from deeper.learning.training.fit_expected_ratings import fit_expected_ratings
from deeper.persona.evidence.facts import Facts

SCALE = Scale(1, 5, 1)
LEVELS = (2.0, 3.0, 3.5, 4.0, 5.0)
NOTHING = np.zeros((1, 2))
"""An item of which nothing is known."""


def drawn(level: float, lean: float, effect: float = 0.0, kind: float = 0.0) -> np.ndarray:
    """Ratings around the level, regressed to the mean; higher with the lean, the item's effect and its kind."""
    logits = -0.5 * np.square(SCALE.values - (2 + 0.4 * level + 0.5 * lean + 4 * effect + 0.5 * kind))
    shares = np.exp(logits)
    return shares / shares.sum()


@pytest.fixture(scope="module")
def expected() -> ExpectedRatings:
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(3000):
        known = Facts(10, float(rng.choice(LEVELS)), lean=float(rng.uniform(-0.5, 0.5)))
        items = np.column_stack([rng.uniform(-0.2, 0.2, 10), rng.integers(-1, 2, 10)])
        ratings = [rng.multinomial(1, drawn(known.median, known.lean, *item)) for item in items]
        cases.append(RatedItems(known, items, np.array(ratings, np.float64)))
    return fit_expected_ratings(cases, SCALE)


@pytest.mark.parametrize("level", LEVELS)
def test_it_is_what_the_ratings_were_drawn_from(expected: ExpectedRatings, level: float) -> None:
    for lean, effect, kind in ((-0.4, 0.0, 0), (0.0, 0.15, 0), (0.4, -0.15, 1), (0.0, 0.0, -1)):
        [found] = expected.predict(Facts(10, level, lean=lean), np.array([[effect, kind]]))
        assert found.sum() == pytest.approx(1)
        np.testing.assert_allclose(found, drawn(level, lean, effect, kind), atol=0.06)


def test_the_median_alone_knows_nothing_of_the_other_facts_and_of_kinds(expected: ExpectedRatings) -> None:
    known = Facts(10, 4.0, lean=0.4, best=0.5, worst=0.1, spread=0.2, drift=0.1)
    alone = expected.predict(known, NOTHING, "median")
    other = replace(known, lean=-0.4, best=0.0, drift=None)
    assert np.array_equal(alone, expected.predict(other, np.array([[0.0, 1.0]]), "median"))
    np.testing.assert_allclose(alone[0], drawn(4.0, 0.0), atol=0.05)


def test_of_nobody_it_is_all_ratings_of_such_an_item(expected: ExpectedRatings) -> None:
    for effect in (0.0, 0.15):
        [found] = expected.predict(Facts(10, 1.0, lean=0.5), np.array([[effect, 1.0]]), "nothing")
        np.testing.assert_allclose(found, np.mean([drawn(level, 0.0, effect) for level in LEVELS], axis=0), atol=0.05)


def test_a_rare_level_is_not_that_of_one_user() -> None:
    many = [RatedItems(Facts(10, level), NOTHING, drawn(level, 0.0)[None]) for level in (3.0, 4.0) for _ in range(200)]
    strange = RatedItems(Facts(10, 3.5), NOTHING, np.eye(5)[:1])
    [found] = fit_expected_ratings([*many, strange], SCALE).predict(Facts(10, 3.5), NOTHING)
    assert found[0] < 0.1 and found @ SCALE.values == pytest.approx(3.4, abs=0.15)
