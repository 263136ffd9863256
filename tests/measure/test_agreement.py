import numpy as np
import pytest

from deeper.measure.agreement import Estimate, ratio_of_sums, spearman_brown, within_group_correlation


def test_only_differences_within_a_group_count() -> None:
    x = [np.array([1.0, 2.0, 3.0]), np.array([101.0, 102.0])]
    y = [np.array([2.0, 4.0, 6.0]), np.array([0.0, 2.0])]
    found = within_group_correlation(x, y, ["u", "v"], 1)
    assert found.value == pytest.approx(1.0)
    assert found.low == pytest.approx(1.0) and found.high == pytest.approx(1.0)


def test_correlation_by_hand() -> None:
    x, y = [np.array([-1.0, 0.0, 1.0]), np.array([-1.0, 1.0])], [np.array([0.0, 0.0, 2.0]), np.array([1.0, -1.0])]
    # cov 2 − 2, var 4 and 8/3 + 2.
    assert within_group_correlation(x, y, ["u", "u"], 1).value == pytest.approx(0.0)
    assert within_group_correlation(x[:1], y[:1], ["u"], 1).value == pytest.approx(2 / np.sqrt(2 * 8 / 3))


def test_users_are_resampled_not_groups() -> None:
    rng = np.random.default_rng(3)
    x = [rng.normal(size=5) for _ in range(40)]
    y = [values + rng.normal(size=5) for values in x]
    by_group = within_group_correlation(x, y, [str(i) for i in range(40)], 1)
    by_user = within_group_correlation(x * 4, y * 4, [str(i) for i in range(40)] * 4, 1)
    assert (by_user.value, by_user.low, by_user.high) == pytest.approx((by_group.value, by_group.low, by_group.high))
    assert by_group.low < by_group.value < by_group.high


def test_what_does_not_differ_has_no_correlation() -> None:
    flat = [np.full(3, 0.1 + 0.2)]
    found = within_group_correlation(flat * 2, [np.arange(3.0)] * 2, ["u", "v"], 1)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert np.isnan(within_group_correlation([], [], [], 1).value)


def test_one_user_has_no_interval() -> None:
    found = ratio_of_sums(np.array([1.0, 2.0]), np.array([2.0, 2.0]), ["u", "u"])
    assert found.value == pytest.approx(0.75)
    assert np.isnan([found.low, found.high]).all()


def test_a_ratio_is_of_sums_and_its_interval_holds_it() -> None:
    top, bottom = np.arange(1.0, 21.0), np.full(20, 10.0)
    found = ratio_of_sums(top, bottom, [str(i) for i in range(20)])
    assert found.value == pytest.approx(1.05)
    assert 0.7 < found.low < 1.05 < found.high < 1.4


def test_all_groups_of_a_user_count_as_one() -> None:
    rng = np.random.default_rng(5)
    users, groups = [f"u{i}" for i in range(12)], 3
    per_user = rng.uniform(0.5, 1.5, (12, groups))
    by_group = ratio_of_sums(per_user.ravel(), np.ones(12 * groups), np.repeat(users, groups).tolist())
    by_user = ratio_of_sums(per_user.mean(axis=1), np.ones(12), users)
    assert (by_group.value, by_group.low, by_group.high) == pytest.approx((by_user.value, by_user.low, by_user.high))


def test_a_ratio_without_a_denominator_is_unknown() -> None:
    for found in (ratio_of_sums(np.ones(2), np.zeros(2), ["u", "v"]), ratio_of_sums(np.ones(0), np.ones(0), [])):
        assert np.isnan([found.value, found.low, found.high]).all()


def test_a_whole_is_more_reliable_than_its_halves() -> None:
    assert spearman_brown(Estimate(0.5, 0.0, 1.0)) == Estimate(pytest.approx(2 / 3), 0.0, 1.0)
    assert spearman_brown(Estimate(-0.9, -1.0, -1 / 3)) == Estimate(-1.0, -1.0, -1.0)
    assert np.isnan(spearman_brown(Estimate(float("nan"), 0.0, 0.0)).value)
