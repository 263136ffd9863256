"""Holm's correction: p-values that stay honest when several differences are tested at once."""

import math
from collections.abc import Sequence

from deeper.measure.recipe import RECIPE


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values. The chance that any true null hypothesis gets one of at most x is at most x.

    The smallest of m p-values is multiplied by m, the next one by m − 1, and so on; none falls below a smaller one's.
    This needs no assumption on how the tests depend on each other. Source: Holm (1979), A simple sequentially rejective
    multiple test procedure, Scandinavian Journal of Statistics 6.

    Args:
        p_values: The p-value of each test; NaN where there is none, which does not count as a test.

    Returns:
        The adjusted p-values in the same order; NaN stays NaN.
    """
    tests = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, least = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(tests):
        least = max(least, min(1.0, (len(tests) - rank) * p))
        adjusted[place] = least
    return adjusted


def is_shown(p_adjusted: float | None) -> bool:
    """Whether a difference is shown: its adjusted p-value is below 1 − the confidence level of intervals."""
    return p_adjusted is not None and p_adjusted < 1 - RECIPE.confidence
