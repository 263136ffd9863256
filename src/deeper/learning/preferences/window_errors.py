"""The errors of predicted windows that a reward can compare. Two of them do not see the level.

Personas differ in level first, and ratings show a level long before they show a taste. So by `mae` and `crps` a reward
is mostly about the level. `crps_net` gives every persona the right level, and `rank` looks at the order alone.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.learning.preferences.recipe import REWARD_RECIPE
from deeper.measure.metrics import crps, mean_absolute_error, rank_accuracy

Floats = NDArray[np.float64]
Measure = Literal["mae", "crps", "crps_net", "rank"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

_STEEPEST = 40.0
"""Largest |θ| of `at_level`, per step of the scale; e^-40 is no probability any more."""
_MOST_STEPS = 60
"""Most steps in the search for θ."""
_NEAR = 1e-9
"""Largest difference from the level, in units of the rating, that ends it."""


def unit(measure: Measure, domain: Domain) -> float:
    """What makes an error a share that all domains have in common: the range of the scale, or 1 for `rank`."""
    return 1.0 if measure == "rank" else float(np.ptp(domain.scale.values))


def window_error(
    prediction: Mapping[str, Any], actual: Floats, chosen: NDArray[np.bool_], domain: Domain, measure: Measure
) -> float:
    """The error of the prediction of a window, over some of its items.

    - `mae`: mean of ``|point − rating|``.
    - `crps`: mean CRPS of the distributions.
    - `crps_net`: the same after `at_level` has moved the distributions to the mean of these ratings.
    - `rank`: share of the pairs of differently rated items that the expected ratings put in the wrong order; a tie
      counts half. Without such a pair there is no order to miss, and the error is 0.

    Args:
        prediction: A `PREDICTION` row that did not fail.
        actual: Ratings of all items, shape (items,).
        chosen: The items to use, shape (items,).
        domain: The domain.
        measure: The error.

    Returns:
        The error in units of the rating, of `rank` a share; NaN if no item is chosen.
    """
    true = actual[chosen]
    if not len(true):
        return float("nan")
    if measure == "mae":
        return mean_absolute_error(np.array(prediction["points"], np.float64)[chosen], true)
    values = domain.scale.values
    distribution = np.array(prediction["distribution"], np.float64)[chosen]
    if measure == "rank":
        accuracy = rank_accuracy(distribution @ values, true)
        return 0.0 if np.isnan(accuracy) else 1 - accuracy
    if measure == "crps_net":
        distribution = at_level(distribution, values, float(true.mean()))
    return float(crps(distribution, values, true).mean())


def at_level(distribution: Floats, values: Floats, level: float) -> Floats:
    """Move the predictions of a window to a level, without changing what they say of one item against another.

    q_i(l) ∝ p_i(l) e^{θ l}, with the one θ for which the mean of all expected ratings is the level. On a scale with
    ends, this is what a shift is on a line: predictions that differ by a level alone, p'_i(l) ∝ p_i(l) e^{c l}, become
    the same. (Adding a constant to the ratings would not do: near an end of the scale, distributions are narrow.)
    Source: exponential tilting; Efron (2022), Exponential Families in Theory and Practice, chapter 1.

    Args:
        distribution: Weights of the labels, shape (items, labels). Labels without weight get
            `RewardRecipe.least_weight`, so that points can be moved, too.
        values: The labels' ratings, ascending, shape (labels,).
        level: The mean rating, from the lowest to the highest value.

    Returns:
        Probabilities, shape (items, labels).
    """
    weights = distribution / distribution.sum(axis=-1, keepdims=True)
    logs = np.log(np.maximum(weights, REWARD_RECIPE.least_weight))
    high = _STEEPEST / float(np.diff(values).min())
    low, theta = -high, 0.0
    tilted = weights
    for _ in range(_MOST_STEPS):
        tilted = np.exp(logs + theta * values - (logs + theta * values).max(axis=-1, keepdims=True))
        tilted /= tilted.sum(axis=-1, keepdims=True)
        expected = tilted @ values
        gap = level - float(expected.mean())
        if abs(gap) < _NEAR:
            break
        low, high = (theta, high) if gap > 0 else (low, theta)
        # Newton's step, since dE/dθ is the variance; halved where it leads outside or the variance is gone.
        slope = float((tilted @ np.square(values) - np.square(expected)).mean())
        step = theta + gap / max(slope, 1e-12)
        theta = step if low < step < high else (low + high) / 2
    return tilted
