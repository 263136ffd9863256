"""Percentile bootstrap intervals of means and ratios; users are resampled, stratified by domain.

Source: Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deeper.measure.recipe import RECIPE

Floats = NDArray[np.float64]
SAMPLES_PER_BATCH = 100
"""Bootstrap samples that are averaged at once, to save memory."""


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its interval; the bounds are NaN if a domain has a single user."""

    mean: float
    low: float
    high: float


def mean_interval(
    values: Floats, seed: int, confidence: float = RECIPE.confidence, samples: int = RECIPE.bootstrap_samples
) -> Interval:
    """Mean over users, with a percentile bootstrap interval.

    Args:
        values: One number a user, shape (users,).
        seed: Seed of the resampling; the same seed draws the same positions.
        confidence: Confidence level, 0 to 1.
        samples: Number of bootstrap samples.

    Raises:
        ValueError: There is no user.
    """
    return domain_mean_interval([values], seed, confidence, samples)


def domain_mean_interval(
    domains: Sequence[Floats], seed: int, confidence: float = RECIPE.confidence, samples: int = RECIPE.bootstrap_samples
) -> Interval:
    """Macro-average over domains of the means over users, with a stratified bootstrap interval.

    Args:
        domains: For each domain, one number a user, shape (users,).
        seed: Seed of the resampling.
        confidence: Confidence level, 0 to 1.
        samples: Number of bootstrap samples.

    Raises:
        ValueError: There is no domain, or one has no users.
    """
    if not domains or any(len(values) == 0 for values in domains):
        raise ValueError("a mean needs at least one user of each domain")
    mean = float(np.mean([values.mean() for values in domains]))
    if any(len(values) == 1 for values in domains):
        return Interval(mean, float("nan"), float("nan"))
    means = np.mean([resampled_means(values, seed, i, samples) for i, values in enumerate(domains)], axis=0)
    return Interval(mean, *percentile_bounds(means, confidence))


def domain_ratio_interval(
    numerators: Sequence[Floats], denominators: Sequence[Floats], seed: int, samples: int = RECIPE.bootstrap_samples
) -> Interval:
    """Ratio of two macro-averages over the same users, with a paired stratified bootstrap interval.

    Args:
        numerators: For each domain, one number a user, shape (users,).
        denominators: The same for the denominator, users in the same order.
        seed: Seed of the resampling.
        samples: Number of bootstrap samples.

    Raises:
        ValueError: There is no domain, or one has no users.
    """
    if not numerators or any(len(values) == 0 for values in numerators):
        raise ValueError("a ratio needs at least one user of each domain")
    above, below = (
        np.mean([resampled_means(values, seed, i, samples) for i, values in enumerate(part)], axis=0)
        for part in (numerators, denominators)
    )
    value = float(np.mean([v.mean() for v in numerators]) / np.mean([v.mean() for v in denominators]))
    if any(len(values) == 1 for values in numerators):
        return Interval(value, float("nan"), float("nan"))
    return Interval(value, *percentile_bounds(above / below))


def percentile_bounds(resampled: Floats, confidence: float = RECIPE.confidence) -> tuple[float, float]:
    """The bounds of a percentile interval of a statistic, from its values in bootstrap samples."""
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def resampled_means(values: Floats, seed: int, domain: int, samples: int) -> Floats:
    """Mean of each bootstrap sample, shape (samples,) or (samples, terms).

    Args:
        values: One number a user, shape (users,), or several, shape (users, terms).
        seed: Seed of the resampling.
        domain: Index of the domain, from 0; each domain has its own random stream.
        samples: Number of bootstrap samples.
    """
    counts, users = _resampling_counts(len(values), seed, domain, samples), len(values)
    # The product converts counts to float64; converting all at once would take eight times their memory.
    parts = (counts[start : start + SAMPLES_PER_BATCH] for start in range(0, samples, SAMPLES_PER_BATCH))
    return np.concatenate([part @ values / users for part in parts])


@lru_cache(maxsize=16)
def _resampling_counts(users: int, seed: int, domain: int, samples: int) -> NDArray[np.uint8]:
    """How often each bootstrap sample draws each user, shape (samples, users); in practice far below 255."""
    rng = np.random.default_rng([seed, domain])
    counts = np.empty((samples, users), np.uint8)
    for row in counts:
        row[:] = np.bincount(rng.integers(users, size=users), minlength=users)
    return counts
