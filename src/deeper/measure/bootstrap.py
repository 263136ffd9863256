"""Percentile bootstrap over users.

Source: Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its interval; the bounds are NaN where a mean rests on a single user."""

    mean: float
    low: float
    high: float


def mean_interval(values: Floats, seed: int, confidence: float = 0.95, samples: int = 2000) -> Interval:
    """Mean over users, with a percentile bootstrap interval.

    Args:
        values: One number a user, shape (users,).
        seed: Seed of the resampling; the same seed resamples the same positions.
        confidence: Between 0 and 1.
        samples: Bootstrap samples.

    Raises:
        ValueError: There is no user.
    """
    return domain_mean_interval([values], seed, confidence, samples)


def domain_mean_interval(
    domains: Sequence[Floats], seed: int, confidence: float = 0.95, samples: int = 2000
) -> Interval:
    """Mean over domains of the means over users; users are resampled within their domain.

    Args:
        domains: For each domain one number a user, shape (users,).
        seed: Seed of the resampling.
        confidence: Between 0 and 1.
        samples: Bootstrap samples.

    Raises:
        ValueError: There is no domain, or one without users.
    """
    if not domains or any(len(values) == 0 for values in domains):
        raise ValueError("a mean needs at least one user of each domain")
    mean = float(np.mean([values.mean() for values in domains]))
    if any(len(values) == 1 for values in domains):
        return Interval(mean, float("nan"), float("nan"))
    means = np.mean([resampling(len(values), seed, i, samples) @ values for i, values in enumerate(domains)], axis=0)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean, float(low), float(high))


def domain_ratio_interval(
    numerators: Sequence[Floats], denominators: Sequence[Floats], seed: int, samples: int = 2000
) -> Interval:
    """Ratio of two means over domains of the means over the same users, with a 95 % interval.

    Args:
        numerators: For each domain one number a user, shape (users,).
        denominators: The same of what is compared with, users in the same order.
        seed: Seed of the resampling; users are resampled within their domain, in pairs.
        samples: Bootstrap samples.

    Raises:
        ValueError: There is no domain, or one without users.
    """
    if not numerators or any(len(values) == 0 for values in numerators):
        raise ValueError("a ratio needs at least one user of each domain")
    above, below = (
        np.mean([resampling(len(values), seed, i, samples) @ values for i, values in enumerate(part)], axis=0)
        for part in (numerators, denominators)
    )
    value = float(np.mean([v.mean() for v in numerators]) / np.mean([v.mean() for v in denominators]))
    if any(len(values) == 1 for values in numerators):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(above / below, [0.025, 0.975])
    return Interval(value, float(low), float(high))


@lru_cache(maxsize=16)
def resampling(users: int, seed: int, domain: int, samples: int) -> Floats:
    """Share of each user in each bootstrap sample, shape (samples, users)."""
    rng = np.random.default_rng([seed, domain])
    shares = np.empty((samples, users))
    # Drawn sample by sample: all draws at once are as large as the shares.
    for share in shares:
        share[:] = np.bincount(rng.integers(users, size=users), minlength=users)
    shares /= users
    return shares
