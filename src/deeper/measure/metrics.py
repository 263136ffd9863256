"""Errors of predicted ratings: MAE, RMSE, CRPS, pairwise rank accuracy; and the median of a distribution.

Nothing is masked here: the caller leaves out ratings that mean "no rating".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_TOLERANCE = 1e-6
"""A cumulative probability this close to one half counts as one half; float32 is exact to about 1e-7."""


def mean_absolute_error(points: ArrayLike, actual: ArrayLike) -> float:
    """Mean of ``|predicted − actual|`` (MAE).

    Args:
        points: Predicted ratings, shape (items,).
        actual: Actual ratings, shape (items,).

    Raises:
        ValueError: The shapes differ, there is no item, or a number is not finite.
    """
    predicted, true = _aligned(points, actual)
    return float(np.abs(predicted - true).mean())


def root_mean_square_error(points: ArrayLike, actual: ArrayLike) -> float:
    """Square root of the mean of (predicted − actual)² (RMSE); arguments and errors as in `mean_absolute_error`."""
    predicted, true = _aligned(points, actual)
    return float(np.sqrt(np.square(predicted - true).mean()))


def crps(distribution: ArrayLike, values: ArrayLike, actual: ArrayLike) -> Floats:
    """Continuous ranked probability score of discrete distributions; lower is better.

    CRPS(F, y) = ∫ (F(x) − 1{x ≥ y})² dx = E|X − y| − ∫ F(x)(1 − F(x)) dx, in units of the rating. For a distribution
    with all its mass on one value it equals the absolute error. Source: Gneiting and Raftery (2007), Strictly proper
    scoring rules, prediction, and estimation, JASA 102(477), equations 20 and 21.

    Args:
        distribution: Weights of the labels, shape (…, labels), normalised here.
        values: The labels' ratings, ascending, shape (labels,).
        actual: Actual ratings, shape (…).

    Returns:
        Scores, shape (…).
    """
    scale = np.asarray(values, np.float64)
    shares = _normalised(distribution)
    distance = np.abs(scale - np.asarray(actual, np.float64)[..., None])
    below = np.cumsum(shares, axis=-1)[..., :-1]
    spread = (below * (1 - below) * np.diff(scale)).sum(axis=-1)
    return (shares * distance).sum(axis=-1) - spread


def rank_accuracy(points: ArrayLike, actual: ArrayLike, groups: Sequence[object] | None = None) -> float:
    """Pairwise concordance: share of pairs of items that are predicted in the right order, 0 to 1; 0.5 is chance.

    Pairs with equal actual ratings are left out; pairs with equal predictions count half.

    Args:
        points: Predicted ratings of one user, shape (items,).
        actual: Actual ratings, shape (items,).
        groups: The group of each item. Only pairs within a group count. None for one group of all items.

    Returns:
        The share, or NaN if no pair counts.
    """
    predicted, true = _aligned(points, actual)
    # Each pair occurs twice in these matrices (items, items), with the same result.
    actual_order = np.sign(true[:, None] - true)
    predicted_order = np.sign(predicted[:, None] - predicted)
    differs = actual_order != 0
    if groups is not None:
        differs &= np.array([[one == other for other in groups] for one in groups])
    return float(((actual_order * predicted_order)[differs] + 1).mean() / 2) if differs.any() else float("nan")


def weighted_median(distribution: ArrayLike, values: ArrayLike) -> Floats:
    """Median of a discrete distribution; the midpoint if two values are medians.

    It minimises the expected absolute error.

    Args:
        distribution: Weights of the values, shape (…, labels), normalised here.
        values: The values, ascending, shape (labels,).

    Returns:
        Medians, shape (…).
    """
    scale = np.asarray(values, np.float64)
    cumulative = np.cumsum(_normalised(distribution), axis=-1)
    lower = scale[np.argmax(cumulative >= 0.5 - _TOLERANCE, axis=-1)]
    upper = scale[np.argmax(cumulative > 0.5 + _TOLERANCE, axis=-1)]
    return (lower + upper) / 2


def _normalised(distribution: ArrayLike) -> Floats:
    shares = np.asarray(distribution, np.float64)
    total = shares.sum(axis=-1, keepdims=True)
    if not (np.isfinite(shares).all() and (shares >= 0).all() and (total > 0).all()):
        raise ValueError("the weights of a distribution must be finite, not negative, and not all zero")
    return shares / total


def _aligned(points: ArrayLike, actual: ArrayLike) -> tuple[Floats, Floats]:
    predicted, true = np.asarray(points, np.float64), np.asarray(actual, np.float64)
    if predicted.shape != true.shape or predicted.size == 0:
        raise ValueError(f"predicted {predicted.shape} and actual {true.shape} ratings must match and not be empty")
    if not (np.isfinite(predicted).all() and np.isfinite(true).all()):
        raise ValueError("ratings must be finite")
    return predicted, true
