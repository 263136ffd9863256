"""The errors that a reward compares: by hand, without the level, and on users whose taste is known."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from context_cases import COVES, DOMAINS, context, directions_of, read, table
from hypothesis import given
from hypothesis import strategies as st

from deeper.behaviour.planted.plant import PLANTED, level_at, liked_at, plant_users
from deeper.behaviour.windows import to_windows
from deeper.domains.taste_words import Taste, in_words
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.engine.scripted.taste import taste_scores
from deeper.learning.preferences.gains import ALL_ITEMS, gains
from deeper.learning.preferences.window_errors import MEASURES, Measure, at_level, unit, window_error
from deeper.measure.metrics import crps, weighted_median

VALUES = COVES.scale.values
NET: tuple[Measure, ...] = ("crps_net", "rank")


def error(measure: Measure, distribution: Any, actual: list[float], chosen: list[bool] | None = None) -> float:
    rows = np.array(distribution, np.float64)
    prediction = {"distribution": rows.tolist(), "points": weighted_median(rows, VALUES).tolist()}
    mask = np.array([True] * len(actual) if chosen is None else chosen)
    return window_error(prediction, np.array(actual), mask, COVES, measure)


def sure(*ratings: int) -> np.ndarray[Any, Any]:
    return np.eye(5)[np.array(ratings) - 1]


def tilted(distribution: np.ndarray[Any, Any], by: float) -> np.ndarray[Any, Any]:
    weights = distribution * np.exp(by * VALUES)
    return weights / weights.sum(axis=-1, keepdims=True)


def test_errors_by_hand() -> None:
    """Of the pairs of 5, 3 and 1, (5, 3) is predicted in the wrong order and (3, 1) as a tie."""
    points = sure(2, 3, 3)
    assert error("mae", points, [5, 3, 1]) == error("crps", points, [5, 3, 1]) == pytest.approx(5 / 3)
    assert error("rank", points, [5, 3, 1]) == pytest.approx((1 + 1 + 0.5) / 3)
    assert error("rank", sure(4, 3, 3), [5, 3, 1]) == pytest.approx(0.5 / 3)
    assert error("mae", points, [5, 3, 1], [True, False, False]) == 3


def test_the_order_is_that_of_expected_ratings_which_medians_hide() -> None:
    close = [[0, 0, 0.1, 0.6, 0.3], [0, 0, 0.3, 0.6, 0.1]]
    assert error("rank", close, [5, 4]) == 0
    assert error("mae", close, [5, 4]) == 0.5, "both medians are 4"


def test_equal_ratings_have_no_order_and_no_item_no_error() -> None:
    assert error("rank", sure(1, 5), [3, 3]) == 0
    for measure in MEASURES:
        assert np.isnan(error(measure, sure(1, 5), [3, 4], [False, False]))


def test_net_of_the_level_is_the_crps_at_the_mean_rating() -> None:
    distribution = np.array([[0.1, 0.2, 0.4, 0.2, 0.1], [0.3, 0.3, 0.2, 0.1, 0.1]])
    moved = at_level(distribution, VALUES, 4.5)
    assert (moved @ VALUES).mean() == pytest.approx(4.5)
    assert error("crps_net", distribution, [5, 4]) == pytest.approx(crps(moved, VALUES, np.array([5.0, 4.0])).mean())
    assert error("crps_net", distribution, [5, 4]) < error("crps", distribution, [5, 4])


WINDOWS = st.lists(
    st.tuples(st.lists(st.floats(0.02, 1), min_size=5, max_size=5), st.integers(1, 5)), min_size=2, max_size=6
)


@given(WINDOWS, st.floats(-2, 2))
def test_a_level_that_is_added_to_all_predictions_is_not_seen(window: list[tuple[list[float], int]], by: float) -> None:
    """The same θ for all items, also where an end of the scale is near."""
    distribution = np.array([weights for weights, _ in window])
    distribution /= distribution.sum(axis=1, keepdims=True)
    actual = [float(rating) for _, rating in window]
    moved = tilted(distribution, by)
    assert error("crps_net", moved, actual) == pytest.approx(error("crps_net", distribution, actual), abs=1e-6)


@given(st.lists(st.tuples(st.floats(1, 5), st.integers(1, 5)), min_size=2, max_size=6), st.floats(-2, 2))
def test_a_level_changes_no_order(window: list[tuple[float, int]], by: float) -> None:
    """Predictions of one shape around other centres, all of them moved by the same."""
    centres = np.round(np.array([centre for centre, _ in window]), 2)
    distribution = np.exp(-((VALUES - centres[:, None]) ** 2))
    actual = [float(rating) for _, rating in window]
    assert error("rank", tilted(distribution, by), actual) == error("rank", tilted(distribution, 0), actual)


def test_points_can_be_moved_too_and_any_level_is_reached() -> None:
    for level in (1.0, 1.7, 4.2, 5.0):
        for distribution in (sure(2, 3, 5), np.full((3, 5), 0.2)):
            moved = at_level(distribution, VALUES, level)
            assert (moved @ VALUES).mean() == pytest.approx(level, abs=1e-6)
            assert np.allclose(moved.sum(axis=1), 1)


def test_a_share_of_pairs_has_no_scale() -> None:
    assert [unit(measure, COVES) for measure in MEASURES] == [4, 4, 4, 1]


@pytest.fixture(scope="module")
def planted() -> tuple[pa.Table, pa.Table, pa.Table]:
    """Contexts of planted users, three directions of each, and the predictions of a reader of taste.

    The old persona is far below the user's level and knows one kind that the user loves. The first direction adds the
    other kinds, the second one turns these round, and the third one changes the old persona's level to the right one.
    """
    made = plant_users(30, 3, seed=4)
    windows: dict[str, list[Any]] = {}
    for row in to_windows(made.behaviour, split=lambda _: "train").to_pylist():
        windows.setdefault(row["user"], []).append(row["items"])
    width = PLANTED.scale.maximum - PLANTED.scale.minimum
    contexts: list[pa.Table] = []
    directions: list[pa.Table] = []
    for truth, own in zip(made.truth.to_pylist(), windows.values(), strict=True):
        right, spread = (level_at(truth, 1) - PLANTED.scale.minimum) / width, truth["spread"] / width
        if not 0.5 < right < 0.75:
            continue  # no verdict is beyond an end of the scale
        loved, disliked = ([kind.lower() for kind in kinds] for kinds in (liked_at(truth, 2), truth["disliked"]))
        known = {loved[0]: 2 / 9}
        more = dict.fromkeys(loved[1:], spread) | dict.fromkeys(disliked, -spread)
        low = right - 3 / 9
        old, kinds, reversed_kinds, level = (
            in_words(Taste(usual, {kind: usual + by for kind, by in offsets.items()}))
            for usual, offsets in (
                (low, known),
                (low, known | more),
                (low, known | {kind: -by for kind, by in more.items()}),
                (right, known),
            )
        )
        changes = {"domain": "planted", "persona": old, "predicted": None}
        contexts.append(table(context(truth["user"], windows=own[:2], future=own[2:], **changes)))
        directions.append(directions_of(contexts[-1], kinds, reversed_kinds, level))
    both = pa.concat_tables(contexts), pa.concat_tables(directions)
    return *both, read(*both, ScriptedEngine(scorer=taste_scores))


@pytest.mark.parametrize("measure", MEASURES)
def test_taste_is_rewarded_net_of_the_level_which_drowns_it_otherwise(
    planted: tuple[pa.Table, pa.Table, pa.Table], measure: Measure
) -> None:
    contexts, directions, predictions = planted
    compared = gains(contexts, directions, predictions, DOMAINS, measure)
    kinds, reversed_kinds, level = np.array([one.gains[ALL_ITEMS].sum(axis=-1) for one in compared]).T
    assert len(kinds) >= 10
    if measure in NET:
        assert (kinds > 0.1).all() and (reversed_kinds < -0.3).all()
        assert np.abs(level).max() < 0.005
    else:
        assert (level > kinds).all() and level.min() > 0.4
        assert (kinds < 0).any(), "the right kinds at a wrong level"
