"""Student's t distribution for any positive number of degrees of freedom; scipy is not in the core install.

Source: Abramowitz and Stegun (1964), Handbook of mathematical functions, 26.5.8 and 26.7.1; the continued fraction by
the modified method of Lentz (Press et al., 2007, Numerical recipes, section 5.2).
"""

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_PRECISION = 1e-14
_MAX_TERMS = 10_000
_MAX_STEPS = 100


def two_sided_p(t: float, freedom: float) -> float:
    """Probability that a t-distributed number is at least as far from 0 as t; 0 to 1.

    Args:
        t: The statistic; may be infinite.
        freedom: Degrees of freedom, above 0; may be infinite (the normal distribution).
    """
    if math.isinf(t):
        return 0.0
    if math.isinf(freedom):
        return math.erfc(abs(t) / math.sqrt(2))
    square = t * t
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square))


@lru_cache(maxsize=16384)
def critical_value(confidence: float, freedom: float) -> float:
    """The t that a t-distributed number exceeds in size with probability 1 − confidence.

    Newton's method from the normal distribution's value, which lies below; the tail is convex, so every step is a step
    towards the root.

    Args:
        confidence: Confidence level, between 0 and 1.
        freedom: Degrees of freedom, above 0; may be infinite.
    """
    t = NormalDist().inv_cdf((1 + confidence) / 2)
    for _ in range(_MAX_STEPS if math.isfinite(freedom) else 0):
        step = (two_sided_p(t, freedom) - (1 - confidence)) / (2 * _density(t, freedom))
        t += step
        if abs(step) < 1e-10 * t:
            break
    return t


def _density(t: float, freedom: float) -> float:
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    return math.exp(constant - (freedom + 1) / 2 * math.log1p(t * t / freedom))


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function I_x(a, b), with rest = 1 − x; its fraction converges below the mean."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, rest, x)
    if x <= 0:
        return 0.0
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(front) / (a * _fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction 1 + d1/(1 + d2/(1 + …)) in the denominator of I_x(a, b)."""
    value = c = 1.0
    d = 0.0
    for term in range(1, _MAX_TERMS):
        m = term // 2
        if term % 2:
            factor = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            factor = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + factor * d) or _TINY)
        c = (1 + factor / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            return value
    raise ArithmeticError(f"the continued fraction of I_{x}({a}, {b}) does not converge")
