"""Within-group correlation, ratio of sums and Spearman–Brown reliability, with intervals over users.

All groups of a user count as one: a ratio has a t interval, and a correlation, whose sampling distribution is skewed,
a percentile bootstrap (Efron and Tibshirani, 1993, An introduction to the bootstrap, chapter 13).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.measure.intervals import domain_ratio_interval
from deeper.measure.recipe import RECIPE

Floats = NDArray[np.float64]

_RELATIVE_TOLERANCE = 1e-12
"""A centred sum of squares below this share of the raw one is a rounding error: the variance is zero."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and its interval; NaN where undefined."""

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
    return _resampled_correlation(sums, seed)


def ratio_of_sums(numerators: Floats, denominators: Floats, owners: Sequence[str]) -> Estimate:
    """Ratio estimator Σ numerators / Σ denominators; the mean if all denominators are 1.

    Args:
        numerators: Shape (groups,).
        denominators: Shape (groups,).
        owners: The user of each group; users are what the interval counts.

    Returns:
        The ratio; NaN if there is no group, or the denominators' sum is 0.
    """
    if not len(owners):
        return Estimate(*[float("nan")] * 3)
    users = {owner: i for i, owner in enumerate(dict.fromkeys(owners))}
    places = [users[owner] for owner in owners]
    above, below = (np.bincount(places, weights=values).astype(np.float64) for values in (numerators, denominators))
    found = domain_ratio_interval([above], [below])
    return Estimate(found.mean, found.low, found.high)


def spearman_brown(half: Estimate) -> Estimate:
    """Split-half reliability of the whole from the correlation ρ of its halves: 2ρ / (1 + ρ), not below −1.

    Source: Spearman (1910) and Brown (1910), British Journal of Psychology 3.
    """
    return Estimate(*(_stepped_up(value) for value in (half.value, half.low, half.high)))


def _stepped_up(half: float) -> float:
    return -1.0 if half <= -1 / 3 else 2 * half / (1 + half)


def _resampled_correlation(sums: Floats, seed: int) -> Estimate:
    """The correlation of sums over all users, shape (users, 3), and its percentile interval over resampled users."""
    value = float(_correlation(sums.sum(axis=0)[None])[0]) if len(sums) else float("nan")
    if len(sums) < 2 or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    rng, users = np.random.default_rng([seed, 0]), len(sums)
    # The sum over a sample's users is the product with how often it draws each; one sample at a time saves memory.
    drawn = (np.bincount(rng.integers(users, size=users), minlength=users) for _ in range(RECIPE.bootstrap_samples))
    resampled = _correlation(np.array([counts @ sums for counts in drawn]))
    tail = (1 - RECIPE.confidence) / 2
    low, high = np.quantile(resampled[np.isfinite(resampled)], [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def _correlation(sums: Floats) -> Floats:
    product = sums[:, 1] * sums[:, 2]
    return np.divide(sums[:, 0], np.sqrt(product), out=np.full(len(sums), np.nan), where=product > 0)
