"""Against the tables of Abramowitz and Stegun, closed forms, and scipy where it is installed."""

import math

import pytest

from deeper.measure.student_t import critical_value, two_sided_p

TABLE = {1: 12.706, 2: 4.303, 3: 3.182, 5: 2.571, 10: 2.228, 15: 2.131, 30: 2.042, 120: 1.980, math.inf: 1.960}
"""t that 5 % exceed in size, by degrees of freedom."""


@pytest.mark.parametrize(("freedom", "expected"), TABLE.items())
def test_critical_values_are_those_of_the_table(freedom: float, expected: float) -> None:
    assert critical_value(0.95, freedom) == pytest.approx(expected, abs=6e-4)
    assert two_sided_p(critical_value(0.95, freedom), freedom) == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("t", [0.0, 1e-9, 0.3, 1.0, 7.0, 4000.0])
def test_one_and_two_degrees_of_freedom_have_closed_forms(t: float) -> None:
    assert two_sided_p(t, 1) == pytest.approx(2 / math.pi * math.atan2(1, t), rel=1e-9)
    assert two_sided_p(-t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-6, abs=1e-9)


def test_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    for t in (0.5, 2.0, 5.0):
        assert two_sided_p(t, 1e6) == pytest.approx(two_sided_p(t, math.inf), rel=1e-3)
    assert two_sided_p(math.inf, 3) == 0


@pytest.mark.parametrize("freedom", [1.5, 3.7, 31.2, 208.0])
def test_scipy_says_the_same(freedom: float) -> None:
    student = pytest.importorskip("scipy.stats").t(freedom)
    for t in (0.01, 0.7, 2.0, 9.0, 60.0):
        assert two_sided_p(t, freedom) == pytest.approx(2 * student.sf(t), rel=1e-9)
    for confidence in (0.5, 0.95, 0.999):
        assert critical_value(confidence, freedom) == pytest.approx(student.ppf((1 + confidence) / 2), rel=1e-9)
