"""What is usual of whom certain facts are known: the regression finds what the ratings were drawn from."""

from dataclasses import replace

import numpy as np
import pytest

from deeper.domains import Scale
from deeper.learning.facts import Facts
from deeper.learning.usual import Usual, fit_usual

SCALE = Scale(1, 5, 1)
LEVELS = (2.0, 3.0, 3.5, 4.0, 5.0)


def drawn(level: float, lean: float) -> np.ndarray:
    """Ratings around the level, regressed to the mean, and further on the side to which they lean."""
    logits = -0.5 * np.square(SCALE.values - (2 + 0.4 * level + 0.5 * lean))
    shares = np.exp(logits)
    return shares / shares.sum()


@pytest.fixture(scope="module")
def usual() -> Usual:
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(3000):
        known = Facts(10, float(rng.choice(LEVELS)), lean=float(rng.uniform(-0.5, 0.5)))
        cases.append((known, rng.multinomial(10, drawn(known.median, known.lean)) / 10))
    return fit_usual(cases, SCALE)


@pytest.mark.parametrize("level", LEVELS)
def test_it_is_what_the_ratings_were_drawn_from(usual: Usual, level: float) -> None:
    for lean in (-0.4, 0.0, 0.4):
        found = usual.of(Facts(10, level, lean=lean))
        assert found.sum() == pytest.approx(1)
        np.testing.assert_allclose(found, drawn(level, lean), atol=0.05)


def test_the_median_alone_knows_nothing_of_the_other_facts(usual: Usual) -> None:
    known = Facts(10, 4.0, lean=0.4, best=0.5, worst=0.1, spread=0.2, drift=0.1)
    alone = usual.of(known, only_median=True)
    assert np.array_equal(alone, usual.of(replace(known, lean=-0.4, best=0.0, drift=None), only_median=True))
    np.testing.assert_allclose(alone, drawn(4.0, 0.0), atol=0.03)


def test_of_nobody_it_is_all_ratings(usual: Usual) -> None:
    np.testing.assert_allclose(usual.base, np.mean([drawn(level, 0.0) for level in LEVELS], axis=0), atol=0.03)


def test_a_rare_level_is_not_that_of_one_user() -> None:
    many = [(Facts(10, level), drawn(level, 0.0)) for level in (3.0, 4.0) for _ in range(200)]
    strange = (Facts(10, 3.5), np.eye(5)[0])
    found = fit_usual([*many, strange], SCALE).of(Facts(10, 3.5))
    assert found[0] < 0.1 and found @ SCALE.values == pytest.approx(3.4, abs=0.15)
