"""The baselines without language: predictions of W_{t+1} from ratings alone.

Each sees the same past (`visible.Visible`). A rule of one number gives one point an item. A baseline that counts
ratings gives a distribution over the scale, and its median is the point. A user without any rating so far gets the
domain's.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.evaluation.factorisation import matrix_factorisation
from deeper.evaluation.recipe import RECIPE
from deeper.evaluation.visible import Visible, visible_at
from deeper.measure.metrics import weighted_median

Floats = NDArray[np.float64]
LOGISTIC_SHIFT = 6.0
"""By how much the logistic distribution is shifted for each unit that the mean percentile of its draws lies above one
half, to first order: 1 / ∫ f(x)² dx."""


class Predicted(NamedTuple):
    """The predicted ratings of W_{t+1} of one user.

    Attributes:
        points: Shape (items,).
        distribution: Shares of the scale's values, shape (items, labels); None for a rule of one number.
    """

    points: Floats
    distribution: Floats | None = None


def always_top(visible: Visible) -> list[Predicted]:
    """Predict the scale's maximum."""
    return _constant(visible, [visible.domain.scale.maximum] * len(visible.users))


def domain_median(visible: Visible) -> list[Predicted]:
    """Predict the median of all ratings so far; the middle of the scale if there is none."""
    return _constant(visible, [_domain_median(visible)] * len(visible.users))


def user_median(visible: Visible) -> list[Predicted]:
    """Predict the median of the user's ratings so far."""
    return _by_user(visible, lambda ratings, _: float(np.median(ratings)))


def user_mean(visible: Visible) -> list[Predicted]:
    """Predict the mean of the user's ratings so far."""
    return _by_user(visible, lambda ratings, _: float(ratings.mean()))


def last_window_median(visible: Visible) -> list[Predicted]:
    """Predict the median of the user's last window that holds a rating."""
    return _by_user(visible, lambda ratings, k: float(np.median(ratings[k == k.max()])))


def user_histogram(visible: Visible) -> list[Predicted]:
    """Predict the user's rating counts, shrunk to the domain's shares."""
    shares = _user_shares(visible)
    return _distributions(
        visible, [np.tile(shares[user], (len(items), 1)) for user, items in enumerate(visible.next_items)]
    )


def item_standing(visible: Visible) -> list[Predicted]:
    """Predict the user's histogram, shifted by how others rate the item, relative to what they usually give.

    A rating's percentile within its rater's histogram says how high it is for that rater. The mean of an item's
    percentiles, shrunk to one half, is the item's standing; it shifts the log-odds of the user's cumulative shares.
    An unseen item has no standing, so it gets `user_histogram`.
    """
    shares, scale = _user_shares(visible), visible.domain.scale
    cumulative = np.cumsum(shares, axis=1)
    label = scale.index(visible.rating)
    percentile = cumulative[visible.user, label] - shares[visible.user, label] / 2
    codes = 1 + max((int(items.max(initial=-1)) for items in (visible.item, *visible.next_items)), default=-1)
    above = np.bincount(visible.item, weights=percentile - 0.5, minlength=codes)
    shift = LOGISTIC_SHIFT * above / (np.bincount(visible.item, minlength=codes) + RECIPE.shrinkage_ratings)
    return _distributions(
        visible, [_shifted(cumulative[user], shift[items]) for user, items in enumerate(visible.next_items)]
    )


PREDICTORS: dict[str, Callable[[Visible], list[Predicted]]] = {
    "user_median": user_median,
    "always_top": always_top,
    "domain_median": domain_median,
    "user_mean": user_mean,
    "last_window_median": last_window_median,
    "user_histogram": user_histogram,
    "item_standing": item_standing,
}
"""The baselines that need only numpy; `matrix_factorisation` needs a library."""


def predict_next(method: str, windows: pa.Table, domain: Domain, round: int, seed: int = 0) -> dict[str, Predicted]:
    """Predict W_{t+1} of the eval users from the ratings that round t may see.

    Args:
        method: A baseline's name.
        windows: WINDOW rows.
        domain: The domain to predict.
        round: t, from 0.
        seed: Seed of `matrix_factorisation`.

    Returns:
        The predicted ratings of all items of W_{t+1}, within the scale, for each eval user who has that window.

    Raises:
        NotAvailable: `matrix_factorisation` lacks its library, or there is no rating to fit it on.
    """
    visible = visible_at(windows, domain, round)
    return dict(zip(visible.users, predict(method, visible, seed), strict=True))


def predict(method: str, visible: Visible, seed: int = 0) -> list[Predicted]:
    """Predict W_{t+1} of each of `visible.users`; see `predict_next`."""
    if method == "matrix_factorisation":
        return _distributions(visible, matrix_factorisation(visible, seed))
    return PREDICTORS[method](visible)


def _constant(visible: Visible, points: Sequence[float]) -> list[Predicted]:
    return [Predicted(np.full(len(items), point)) for items, point in zip(visible.next_items, points, strict=True)]


def _by_user(visible: Visible, point: Callable[[Floats, NDArray[np.int64]], float]) -> list[Predicted]:
    unknown = _domain_median(visible)
    return _constant(visible, [point(ratings, k) if len(ratings) else unknown for ratings, k in visible.by_user])


def _distributions(visible: Visible, shares: Sequence[Floats]) -> list[Predicted]:
    return [Predicted(weighted_median(own, visible.domain.scale.values), own) for own in shares]


def _domain_median(visible: Visible) -> float:
    scale = visible.domain.scale
    return float(np.median(visible.rating)) if len(visible.rating) else (scale.minimum + scale.maximum) / 2


def _user_shares(visible: Visible) -> Floats:
    """The rating counts of each rater, shrunk to the domain's shares; shape (raters, labels), rows sum to 1."""
    labels = len(visible.domain.scale.values)
    label = visible.domain.scale.index(visible.rating)
    raters = max(len(visible.users), 1 + int(visible.user.max(initial=-1)))
    counts = np.bincount(visible.user * labels + label, minlength=raters * labels).reshape(raters, labels)
    total = counts.sum(axis=0)
    domain = total / total.sum() if total.any() else np.full(labels, 1 / labels)
    weight = RECIPE.shrinkage_ratings
    return (counts + weight * domain) / (counts.sum(axis=1, keepdims=True) + weight)


def _shifted(cumulative: Floats, shift: Floats) -> Floats:
    """A distribution whose cumulative log-odds fall by a shift for each item: logit F − shift.

    Args:
        cumulative: Cumulative shares of the scale's values, shape (labels,).
        shift: Shape (items,); above 0 towards higher ratings.

    Returns:
        Shares, shape (items, labels).
    """
    odds = np.exp(-shift)[:, None]
    moved = cumulative * odds / (cumulative * odds + 1 - cumulative)
    return np.maximum(np.diff(moved, axis=1, prepend=0.0), 0)  # rounding can put a share just below 0
