"""Agreement of two measurements of the same things within groups, and ratios of means, with intervals by user.

Values are centred within their group first, so that only differences within a group count: whether one group is
easier than another does not enter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.measure.bootstrap import resampled_means

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
SAMPLES = 2000
_ROUNDING = 1e-12
"""A sum of squares below this share of the raw one is a rounding error: the values do not differ."""


@dataclass(frozen=True)
class Estimate:
    """A number and its percentile bootstrap interval; NaN where it, or its interval, is not defined."""

    value: float
    low: float
    high: float


def centred_correlation(x: Sequence[Floats], y: Sequence[Floats], owners: Sequence[str], seed: int) -> Estimate:
    """Pearson correlation of x and y within groups, pooled over groups: Σ cov / √(Σ var · Σ var).

    Args:
        x: For each group one number a member, shape (members,); groups of one member count for nothing.
        y: The same for the other measurement.
        owners: The user of each group; users are resampled.
        seed: Seed of the resampling.

    Returns:
        The correlation, −1 to 1; NaN where x or y does not differ within any group.
    """
    users = {owner: i for i, owner in enumerate(dict.fromkeys(owners))}
    sums = np.zeros((len(users), 3))  # of xy, xx and yy for each user
    scale = np.zeros(2)
    for one, other, owner in zip(x, y, owners, strict=True):
        dx, dy = one - one.mean(), other - other.mean()
        sums[users[owner]] += (dx @ dy, dx @ dx, dy @ dy)
        scale += (one @ one, other @ other)
    sums[:, 1:][sums[:, 1:] <= _ROUNDING * scale] = 0.0
    return _estimate(sums, _correlation, seed)


def ratio(numerators: Floats, denominators: Floats, owners: Sequence[str], seed: int) -> Estimate:
    """Σ numerators / Σ denominators; with denominators of 1 it is a mean.

    Args:
        numerators: Shape (groups,).
        denominators: Shape (groups,).
        owners: The user of each group; users are resampled.
        seed: Seed of the resampling.
    """
    users = {owner: i for i, owner in enumerate(dict.fromkeys(owners))}
    sums = np.zeros((len(users), 2))
    places = np.array([users[owner] for owner in owners], np.int64)
    np.add.at(sums, places, np.stack([numerators, denominators], axis=1))
    return _estimate(sums, _quotient, seed)


def spearman_brown(half: Estimate) -> Estimate:
    """Reliability of a whole from the correlation of its halves: 2ρ / (1 + ρ), not below −1.

    Source: Spearman (1910) and Brown (1910), British Journal of Psychology 3.
    """
    return Estimate(*(_lengthened(value) for value in (half.value, half.low, half.high)))


def _lengthened(half: float) -> float:
    return -1.0 if half <= -1 / 3 else 2 * half / (1 + half)


def _estimate(sums: Floats, statistic: Callable[[Floats], Floats], seed: int) -> Estimate:
    """The statistic of the sums (users, terms) over all users, with its bootstrap interval."""
    value = float(statistic(sums.sum(axis=0)[None])[0]) if len(sums) else float("nan")
    if len(sums) < 2 or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    drawn = statistic(resampled_means(sums, seed, 0, SAMPLES))
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high))


def _correlation(sums: Floats) -> Floats:
    product = sums[:, 1] * sums[:, 2]
    return np.divide(sums[:, 0], np.sqrt(product), out=np.full(len(sums), np.nan), where=product > 0)


def _quotient(sums: Floats) -> Floats:
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] != 0)
