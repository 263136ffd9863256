import numpy as np
import pytest

from deeper.measure.bootstrap import Interval, domain_mean_interval, domain_ratio_interval, mean_interval

VALUES = np.random.default_rng(3).normal(0.6, 0.2, 100)


def test_the_interval_is_that_of_the_normal_theory():
    interval = mean_interval(VALUES, seed=1)
    half = 1.96 * VALUES.std() / 10
    assert interval.mean == pytest.approx(VALUES.mean())
    assert interval.low == pytest.approx(VALUES.mean() - half, abs=0.006)
    assert interval.high == pytest.approx(VALUES.mean() + half, abs=0.006)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    assert mean_interval(VALUES, seed=1) == mean_interval(VALUES.copy(), seed=1)
    assert mean_interval(VALUES, seed=1) != mean_interval(VALUES, seed=2)


def test_less_confidence_is_narrower():
    wide, narrow = mean_interval(VALUES, 1), mean_interval(VALUES, 1, confidence=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_domains_weigh_the_same_whatever_their_users():
    interval = domain_mean_interval([np.zeros(2), np.ones(200)], seed=1)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))


def test_users_are_resampled_within_domains():
    # Resampling users over both domains would mix levels 0 and 10 and widen the interval by far.
    interval = domain_mean_interval([VALUES, VALUES + 10], seed=1)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * VALUES.std() / 10 / np.sqrt(2), rel=0.1)


def test_one_user_has_no_interval():
    interval = mean_interval(np.array([0.4]), seed=1)
    assert interval.mean == 0.4
    assert np.isnan(interval.low) and np.isnan(interval.high)


@pytest.mark.parametrize("domains", [[], [np.array([])], [VALUES, np.array([])]])
def test_no_user_is_refused(domains):
    with pytest.raises(ValueError, match="at least one user"):
        domain_mean_interval(domains, seed=1)


class TestDomainRatio:
    def test_of_equal_numbers_is_one_without_doubt(self) -> None:
        users = [np.array([0.2, 0.9, 0.4]), np.array([1.0, 3.0])]
        assert domain_ratio_interval(users, users, seed=1) == Interval(1.0, 1.0, 1.0)

    def test_is_of_the_means_over_domains(self) -> None:
        above, below = [np.array([1.0, 3.0]), np.array([4.0, 4.0])], [np.array([1.0, 1.0]), np.array([2.0, 2.0])]
        found = domain_ratio_interval(above, below, seed=1)
        assert found.mean == pytest.approx((2 + 4) / (1 + 2))
        assert found.low == pytest.approx((1 + 4) / 3)
        assert found.high == pytest.approx((3 + 4) / 3)

    def test_has_no_interval_with_a_single_user(self) -> None:
        found = domain_ratio_interval([np.array([2.0])], [np.array([4.0])], seed=1)
        assert found.mean == 0.5
        assert np.isnan([found.low, found.high]).all()

    def test_needs_users(self) -> None:
        with pytest.raises(ValueError, match="at least one user"):
            domain_ratio_interval([np.array([])], [np.array([])], seed=1)
