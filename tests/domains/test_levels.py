"""Levels of a scale in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.domains import Scale
from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import LADDER, half_step, rung_indices, verdict_rungs


@pytest.mark.parametrize(
    "scale", [Scale(1, 5, 1), Scale(0.5, 5, 0.5), Scale(0, 1, 1), Scale(1, 10, 1), Scale(-3, 3, 1)]
)
def test_every_half_step_has_rungs_of_its_own(scale: Scale) -> None:
    halves = np.arange(scale.minimum, scale.maximum + scale.step / 4, scale.step / 2)
    rungs = [verdict_rungs(float(half), scale) for half in halves]
    assert rungs == sorted(set(rungs))
    assert rungs[0] == (0, 0)
    assert rungs[-1] == (len(LEVEL_WORDS) - 1, len(LEVEL_WORDS) - 1)
    assert [low for low, high in rungs if low == high] == rung_indices(scale)


def test_a_finer_scale_shares_the_rungs_in_order() -> None:
    scale = Scale(0, 100, 1)
    rungs = [verdict_rungs(half / 2, scale) for half in range(201)]
    assert rungs == sorted(rungs)
    assert len(set(rungs)) == 2 * len(LEVEL_WORDS) - 1


def test_the_words_of_a_rung_are_its_own() -> None:
    words = [word for rung in LEVEL_WORDS for word in rung]
    assert len(set(words)) == len(words)
    assert tuple(rung[0] for rung in LEVEL_WORDS) == LADDER
    assert min(map(len, LEVEL_WORDS)) >= 3


@given(st.floats(-10, 20), st.sampled_from([Scale(1, 5, 1), Scale(0.5, 5, 0.5)]))
def test_a_half_step_is_the_nearest_on_the_scale(rating: float, scale: Scale) -> None:
    half = half_step(rating, scale)
    inside = float(np.clip(rating, scale.minimum, scale.maximum))
    assert scale.minimum <= half <= scale.maximum
    assert abs(half - inside) <= scale.step / 4 + 1e-9
    assert (half - scale.minimum) / scale.step * 2 % 1 == 0
