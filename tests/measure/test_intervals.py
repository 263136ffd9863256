from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from deeper.measure.intervals import (
    Interval,
    domain_mean_interval,
    domain_mean_test,
    domain_ratio_interval,
    mean_interval,
)

Floats = NDArray[np.float64]
VALUES = np.random.default_rng(3).normal(0.6, 0.2, 100)


def test_the_interval_is_students() -> None:
    interval = mean_interval(VALUES)
    half = 1.9842 * VALUES.std(ddof=1) / 10  # 99 degrees of freedom
    assert interval.mean == pytest.approx(VALUES.mean())
    assert (interval.low, interval.high) == pytest.approx((VALUES.mean() - half, VALUES.mean() + half), abs=1e-5)


def test_less_confidence_is_narrower() -> None:
    wide, narrow = mean_interval(VALUES), mean_interval(VALUES, confidence=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_an_interval_ends_where_no_mean_can_be() -> None:
    few = np.array([0.1, 0.9])
    assert domain_mean_interval([few]).low < 0
    found = domain_mean_interval([few], least=0)
    assert (found.low, found.high) == (0, domain_mean_interval([few]).high)


def test_domains_weigh_the_same_whatever_their_users() -> None:
    interval = domain_mean_interval([np.zeros(2), np.ones(200)])
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))


def test_the_levels_of_domains_do_not_widen_the_interval() -> None:
    interval = domain_mean_interval([VALUES, VALUES + 10])
    assert interval.high - interval.low == pytest.approx(2 * 1.972 * VALUES.std(ddof=1) / 10 / np.sqrt(2), rel=1e-3)


def test_degrees_of_freedom_are_those_of_welch_and_satterthwaite() -> None:
    """Two domains of variances 1 and 9 with 4 and 9 users: (1/4 + 9/9)² / ((1/4)²/3 + 1²/8) = 10.71."""
    one, other = np.array([-1.0, -1.0, 1.0, 1.0]) * np.sqrt(3 / 4), np.array([-1.0, 1.0] * 4 + [0.0]) * 3
    found = domain_mean_interval([one, other])
    assert found.high == pytest.approx(2.2082 * np.sqrt(1.25) / 2, rel=1e-3)


def test_one_user_has_no_interval() -> None:
    interval = mean_interval(np.array([0.4]))
    assert interval.mean == 0.4
    assert np.isnan([interval.low, interval.high, domain_mean_test([np.array([0.4])]).p_value]).all()


@pytest.mark.parametrize("domains", [[], [np.array([])], [VALUES, np.array([])]])
def test_no_user_is_refused(domains: list[Floats]) -> None:
    with pytest.raises(ValueError, match="at least one user"):
        domain_mean_interval(domains)


def test_a_p_value_is_below_5_percent_where_the_interval_excludes_0() -> None:
    for shift in np.linspace(0, 0.1, 41):
        found = domain_mean_test([VALUES - 0.6 + shift, VALUES - 0.6])
        is_outside = not found.interval.low <= 0 <= found.interval.high
        assert (found.p_value < 0.05) is is_outside


def test_users_who_do_not_differ_leave_no_doubt() -> None:
    assert domain_mean_test([np.zeros(3)]).p_value == 1
    assert domain_mean_test([np.full(3, 0.5)]).p_value == 0


class TestDomainRatio:
    def test_of_equal_numbers_is_one_without_doubt(self) -> None:
        users = [np.array([0.2, 0.9, 0.4]), np.array([1.0, 3.0])]
        assert domain_ratio_interval(users, users) == Interval(1.0, 1.0, 1.0)

    def test_is_of_the_means_over_domains(self) -> None:
        above, below = [np.array([1.0, 3.0]), np.array([4.0, 4.0])], [np.array([1.0, 1.0]), np.array([2.0, 2.0])]
        found = domain_ratio_interval(above, below)
        assert found.mean == pytest.approx((2 + 4) / (1 + 2))
        # Only the first domain differs from 2 × its denominators, by −1 and 1: one degree of freedom.
        half = 12.706 * (1 / 1.5) / 2
        assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), abs=1e-3)

    def test_has_no_interval_with_a_single_user(self) -> None:
        found = domain_ratio_interval([np.array([2.0])], [np.array([4.0])])
        assert found.mean == 0.5
        assert np.isnan([found.low, found.high]).all()

    def test_needs_users(self) -> None:
        with pytest.raises(ValueError, match="at least one user"):
            domain_ratio_interval([np.array([])], [np.array([])])

    def test_is_unknown_where_the_denominators_are_0(self) -> None:
        assert np.isnan(domain_ratio_interval([VALUES], [np.zeros(100)]).mean)


USERS = 16
LEVELS = (0.8, 0.7, 0.4)
"""Mean errors of three domains, like those of movies, clothes and recipes."""
RATIO = 0.95
SIMULATIONS = 3000


def simulated(rng: np.random.Generator) -> tuple[list[Floats], list[Floats]]:
    """Errors of two methods: gamma-distributed with the skewness 1.3 of real ones, correlated by .95, RATIO apart."""
    shared = [rng.gamma(2.5, level / 2.5, USERS) for level in LEVELS]
    other = [RATIO * errors * rng.gamma(30, 1 / 30, USERS) for errors in shared]
    return shared, other


Drawn = Callable[[Sequence[Floats], Sequence[Floats]], Interval]
FIRST, PAIRED = float(np.mean(LEVELS)), (RATIO - 1) * float(np.mean(LEVELS))


@pytest.mark.parametrize(
    ("interval", "truth"),
    [
        pytest.param(lambda one, _: domain_mean_interval(one), FIRST, id="mean"),
        pytest.param(lambda one, _: mean_interval(one[0]), LEVELS[0], id="mean of one domain"),
        pytest.param(
            lambda one, other: domain_mean_interval([b - a for a, b in zip(one, other, strict=True)]),
            PAIRED,
            id="paired difference",
        ),
        pytest.param(lambda one, other: domain_ratio_interval(other, one), RATIO, id="ratio"),
    ],
)
def test_intervals_of_sixteen_users_a_domain_cover_what_they_say(interval: Drawn, truth: float) -> None:
    rng = np.random.default_rng(8)
    found = [interval(*simulated(rng)) for _ in range(SIMULATIONS)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.93 <= covered <= 0.97
