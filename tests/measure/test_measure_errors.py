import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.measure.metrics import crps, mean_absolute_error, rank_accuracy, root_mean_square_error, weighted_median

STARS = np.arange(1.0, 6.0)
HALVES = np.arange(0.5, 5.01, 0.5)

scales = st.sampled_from([STARS, HALVES])


@st.composite
def distributions(draw):
    scale = draw(scales)
    weights = draw(st.lists(st.floats(0, 1), min_size=len(scale), max_size=len(scale)).filter(lambda w: sum(w) > 1e-3))
    return np.array(weights) / sum(weights), scale


def test_mean_absolute_and_root_mean_square_error_by_hand():
    assert mean_absolute_error([5, 4, 2], [5, 3, 4]) == pytest.approx(1.0)
    assert root_mean_square_error([5, 4, 2], [5, 3, 4]) == pytest.approx(np.sqrt(5 / 3))


@pytest.mark.parametrize("points, actual", [([], []), ([1], [1, 2]), ([float("nan")], [1])])
def test_what_cannot_be_measured_is_refused(points, actual):
    with pytest.raises(ValueError, match="ratings must"):
        mean_absolute_error(points, actual)


def test_crps_by_hand():
    # F = .5 up to 5, then 1; y = 1: the integral of (.5 - 1)^2 over four steps.
    assert crps([0.5, 0, 0, 0, 0.5], STARS, 1.0) == pytest.approx(1.0)
    assert crps([0.25, 0.75], [1.0, 2.0], 2.0) == pytest.approx(0.0625)


@given(distributions(), st.floats(0, 6))
def test_crps_equals_the_integral_of_squared_differences(case, actual):
    shares, scale = case
    grid = np.linspace(-1, 7, 80_001)
    below = np.concatenate([[0.0], np.cumsum(shares)])[np.searchsorted(scale, grid, side="right")]
    integral = ((below - (grid >= actual)) ** 2).mean() * 8
    assert crps(shares, scale, actual) == pytest.approx(integral, abs=2e-3)
    assert crps(shares, scale, actual) >= -1e-12


@given(st.integers(0, 9), st.floats(0, 6))
def test_crps_of_a_point_is_its_absolute_error(label, actual):
    assert crps(np.eye(10)[label], HALVES, actual) == pytest.approx(abs(HALVES[label] - actual))


def test_crps_takes_any_leading_shape():
    shares = np.full((3, 4, 5), 0.2)
    assert crps(shares, STARS, np.ones((3, 4))).shape == (3, 4)


@pytest.mark.parametrize("shares", [[0, 0], [0.5, -0.5], [float("nan"), 1]])
def test_shares_that_are_no_distribution_are_refused(shares):
    with pytest.raises(ValueError, match="distribution"):
        crps(shares, [1, 2], 1.0)


def test_rank_accuracy_by_hand():
    # Pairs that differ: (5, 3) right, (5, 3) tied, and no other: the two threes are left out.
    assert rank_accuracy([4, 2, 4], [5, 3, 3]) == pytest.approx(0.75)
    assert np.isnan(rank_accuracy([1, 2, 3], [4, 4, 4]))


def test_rank_accuracy_within_groups_leaves_out_pairs_of_two_groups():
    points, actual = [5, 4, 2, 1], [4, 5, 1, 2]
    assert rank_accuracy(points, actual, [0, 0, 0, 0]) == rank_accuracy(points, actual) == pytest.approx(4 / 6)
    assert rank_accuracy(points, actual, ["a", "a", "b", "b"]) == 0
    assert rank_accuracy(points, actual, ["a", "b", "a", "b"]) == 1
    assert np.isnan(rank_accuracy(points, actual, [0, 1, 2, 3]))


@given(st.lists(st.integers(1, 5), min_size=2, max_size=10).filter(lambda x: len(set(x)) > 1))
def test_rank_accuracy_bounds(actual):
    assert rank_accuracy(actual, actual) == 1
    assert rank_accuracy([-a for a in actual], actual) == 0
    assert rank_accuracy([3] * len(actual), actual) == 0.5


def test_weighted_median_in_a_gap_is_its_middle():
    assert weighted_median([0.5, 0, 0, 0, 0.5], STARS) == 3


@given(distributions())
def test_weighted_median_has_the_least_expected_error_and_mirrors(case):
    shares, scale = case
    median = weighted_median(shares, scale)
    assert scale[0] <= median <= scale[-1]
    errors = [shares @ np.abs(scale - point) for point in (*scale, median)]
    assert errors[-1] == pytest.approx(min(errors), abs=1e-6)
    assert median == pytest.approx(scale[0] + scale[-1] - weighted_median(shares[::-1], scale), abs=1e-6)


def test_weighted_median_takes_any_leading_shape():
    shares = np.eye(5).reshape(1, 5, 5)
    np.testing.assert_array_equal(weighted_median(shares, STARS), STARS[None])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_weighted_median_of_counts_is_the_median_of_the_ratings(ratings):
    counts = np.bincount(np.array(ratings) - 1, minlength=5)
    assert weighted_median(counts, STARS) == np.median(ratings)


@pytest.mark.parametrize("shares", [[0.1, 0.4, 0.3, 0.2, 0], [0.3, 0.2, 0.4, 0.1, 0], [0.2, 0.3, 0.1, 0.4, 0]])
def test_half_the_mass_is_half_in_float32_too(shares):
    """The median lies between two labels, as it does in exact numbers."""
    assert weighted_median(np.array(shares, np.float32), STARS) == 2.5
