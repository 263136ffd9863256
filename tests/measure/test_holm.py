import math

import numpy as np
import pytest

from deeper.measure.holm import holm, is_shown


def test_the_smallest_of_m_counts_m_times_and_the_next_one_less() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_no_adjusted_p_value_falls_below_a_smaller_one_or_rises_above_1() -> None:
    assert holm([0.5, 0.02, 0.021]) == pytest.approx([0.5, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == [0.2]


def test_what_has_no_p_value_is_no_test() -> None:
    found = holm([0.02, math.nan, 0.5])
    assert found[0] == pytest.approx(0.04) and math.isnan(found[1]) and found[2] == 0.5
    assert holm([]) == []


def test_twenty_true_hypotheses_are_rejected_in_at_most_one_table_of_twenty() -> None:
    tables = np.random.default_rng(4).uniform(size=(2000, 20))
    by_luck = np.mean([any(map(is_shown, holm(list(table)))) for table in tables])
    assert 0.03 < by_luck < 0.065
    assert np.mean([(table < 0.05).any() for table in tables]) > 0.5, "without the correction most tables have one"
