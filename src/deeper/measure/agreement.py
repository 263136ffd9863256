"""Within-group correlation, ratio of sums and Spearman–Brown reliability, with cluster bootstrap intervals.

The clusters are users: all groups of a user are resampled together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.measure.bootstrap import percentile_bounds, resampled_means
from deeper.measure.recipe import RECIPE

Floats = NDArray[np.float64]

_RELATIVE_TOLERANCE = 1e-12
"""A centred sum of squares below this share of the raw one is a rounding error: the variance is zero."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and its percentile bootstrap interval; NaN where undefined."""

    value: float
    low: float
    high: float


def within_group_correlation(x: Sequence[Floats], y: Sequence[Floats], owners: Sequence[str], seed: int) -> Estimate:
    """Pooled within-group Pearson correlation: Σ cov / √(Σ var · Σ var), with values centred within their group.

    Differences between the group means have no influence.

    Args:
        x: For each group, one number a member, shape (members,); groups of one member have no influence.
        y: The other variable, likewise.
        owners: The user of each group; users are resampled.
        seed: Seed of the resampling.

    Returns:
        The correlation, −1 to 1; NaN if x or y is constant within every group.
    """
    users = {owner: i for i, owner in enumerate(dict.fromkeys(owners))}
    sums = np.zeros((len(users), 3))  # centred sums of xy, xx and yy for each user
    raw_squares = np.zeros(2)
    for one, other, owner in zip(x, y, owners, strict=True):
        dx, dy = one - one.mean(), other - other.mean()
        sums[users[owner]] += (dx @ dy, dx @ dx, dy @ dy)
        raw_squares += (one @ one, other @ other)
    sums[:, 1:][sums[:, 1:] <= _RELATIVE_TOLERANCE * raw_squares] = 0.0
    return _estimate(sums, _correlation, seed)


def ratio_of_sums(numerators: Floats, denominators: Floats, owners: Sequence[str], seed: int) -> Estimate:
    """Ratio estimator Σ numerators / Σ denominators; the mean if all denominators are 1.

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
    """Split-half reliability of the whole from the correlation ρ of its halves: 2ρ / (1 + ρ), not below −1.

    Source: Spearman (1910) and Brown (1910), British Journal of Psychology 3.
    """
    return Estimate(*(_stepped_up(value) for value in (half.value, half.low, half.high)))


def _stepped_up(half: float) -> float:
    return -1.0 if half <= -1 / 3 else 2 * half / (1 + half)


def _estimate(sums: Floats, statistic: Callable[[Floats], Floats], seed: int) -> Estimate:
    """The statistic of sums over all users, and its interval; `sums` has the shape (users, terms)."""
    value = float(statistic(sums.sum(axis=0)[None])[0]) if len(sums) else float("nan")
    if len(sums) < 2 or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    resampled = statistic(resampled_means(sums, seed, 0, RECIPE.bootstrap_samples))
    return Estimate(value, *percentile_bounds(resampled[np.isfinite(resampled)]))


def _correlation(sums: Floats) -> Floats:
    product = sums[:, 1] * sums[:, 2]
    return np.divide(sums[:, 0], np.sqrt(product), out=np.full(len(sums), np.nan), where=product > 0)


def _quotient(sums: Floats) -> Floats:
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] != 0)
