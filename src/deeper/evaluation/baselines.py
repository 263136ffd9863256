"""The baselines without language: predictions of W_{t+1} from ratings alone.

Each sees the same past (`visible.Visible`) and gives one point an item. A user without any rating so far gets the
domain's median.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.evaluation.factorisation import matrix_factorisation
from deeper.evaluation.recipe import RECIPE
from deeper.evaluation.visible import Visible, visible_at
from deeper.measure.metrics import weighted_median

Floats = NDArray[np.float64]
Points = list[Floats]
"""The predicted ratings of W_{t+1} for each of `Visible.users`, shape (items,)."""


def always_top(visible: Visible) -> Points:
    """Predict the scale's maximum."""
    return _constant(visible, [visible.domain.scale.maximum] * len(visible.users))


def domain_median(visible: Visible) -> Points:
    """Predict the median of all ratings so far; the middle of the scale if there is none."""
    return _constant(visible, [_domain_median(visible)] * len(visible.users))


def user_median(visible: Visible) -> Points:
    """Predict the median of the user's ratings so far."""
    return _by_user(visible, lambda ratings, _: float(np.median(ratings)))


def user_mean(visible: Visible) -> Points:
    """Predict the mean of the user's ratings so far."""
    return _by_user(visible, lambda ratings, _: float(ratings.mean()))


def last_window_median(visible: Visible) -> Points:
    """Predict the median of the user's last window that holds a rating."""
    return _by_user(visible, lambda ratings, k: float(np.median(ratings[k == k.max()])))


def user_histogram(visible: Visible) -> Points:
    """Predict the median of the user's rating counts, shrunk to the domain's shares."""
    scale = visible.domain.scale
    domain = _histogram(visible, visible.rating)
    prior = RECIPE.shrinkage_ratings * domain / max(domain.sum(), 1)
    return _by_user(
        visible, lambda ratings, _: float(weighted_median(_histogram(visible, ratings) + prior, scale.values))
    )


def item_mean(visible: Visible) -> Points:
    """Predict the mean of the item's ratings so far, shrunk to the domain's mean; an unseen item gets that mean."""
    mean = visible.rating.mean() if len(visible.rating) else _domain_median(visible)
    codes = 1 + max((int(items.max(initial=-1)) for items in (visible.item, *visible.next_items)), default=-1)
    sums = np.bincount(visible.item, weights=visible.rating, minlength=codes)
    counts = np.bincount(visible.item, minlength=codes)
    shrunk = (sums + RECIPE.shrinkage_ratings * mean) / (counts + RECIPE.shrinkage_ratings)
    return [shrunk[items] for items in visible.next_items]


PREDICTORS: dict[str, Callable[[Visible], Points]] = {
    "user_median": user_median,
    "always_top": always_top,
    "domain_median": domain_median,
    "user_mean": user_mean,
    "last_window_median": last_window_median,
    "user_histogram": user_histogram,
    "item_mean": item_mean,
}
"""The baselines that need only numpy; `matrix_factorisation` needs a library."""


def predict_next(method: str, windows: pa.Table, domain: Domain, round: int, seed: int = 0) -> dict[str, Floats]:
    """Predict W_{t+1} of the eval users from the ratings that round t may see.

    Args:
        method: A baseline's name.
        windows: WINDOW rows.
        domain: The domain to predict.
        round: t, from 0.
        seed: Seed of `matrix_factorisation`.

    Returns:
        The points of all items of W_{t+1}, shape (items,) and within the scale, for each eval user who has that window.

    Raises:
        NotAvailable: `matrix_factorisation` lacks its library, or there is no rating to fit it on.
    """
    visible = visible_at(windows, domain, round)
    return dict(zip(visible.users, predict(method, visible, seed), strict=True))


def predict(method: str, visible: Visible, seed: int = 0) -> Points:
    """Predict W_{t+1} of `visible.users`; see `predict_next`."""
    if method == "matrix_factorisation":
        return matrix_factorisation(visible, seed)
    return PREDICTORS[method](visible)


def _constant(visible: Visible, points: list[float]) -> Points:
    return [np.full(len(items), point) for items, point in zip(visible.next_items, points, strict=True)]


def _by_user(visible: Visible, point: Callable[[Floats, NDArray[np.int64]], float]) -> Points:
    unknown = _domain_median(visible)
    return _constant(visible, [point(ratings, k) if len(ratings) else unknown for ratings, k in visible.by_user])


def _domain_median(visible: Visible) -> float:
    scale = visible.domain.scale
    return float(np.median(visible.rating)) if len(visible.rating) else (scale.minimum + scale.maximum) / 2


def _histogram(visible: Visible, ratings: Floats) -> Floats:
    scale = visible.domain.scale
    return np.bincount(scale.index(ratings), minlength=len(scale.values)).astype(np.float64)
