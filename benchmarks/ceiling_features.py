"""Features of the ratings to predict, for `ceiling.py`: what is known of user and item before the next window.

Each kind of knowledge has a Gaussian process of its own, whose mean and variance are two of the features:

    level        how much the user gives, and how the user's ratings spread
    own_taste    how the user rated items like this one
    items        what other users think of this item
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ceiling_items import Standing
from ceiling_process import Cases, Process, fit_process
from ceiling_ratings import Ratings
from deeper.domains import Scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Slots = NDArray[np.bool_]

LEVEL = ("round", "median", "mean", "deviation", "count", "window_mean", "window_median", "last", "last_three",
         "top_share", "low_share", "shrunk_mean", "level_mean", "level_variance")  # fmt: skip
OWN_TASTE = ("own_taste_mean", "own_taste_variance", "nearest", "is_repeated", "last_of_same")
ITEMS = ("items_mean", "items_variance", "suggested", "effect", "rated_by", "both")
ALL = ("all_mean", "all_variance")
NEIGHBOURS, SHARES = "neighbours_", "share_"
"""Prefixes of features of which there are as many as likenesses and as values of the scale."""
KNOWN = {
    "level": (LEVEL, SHARES),
    "own_taste": (LEVEL, SHARES, OWN_TASTE, NEIGHBOURS),
    "items": (LEVEL, SHARES, ITEMS),
    "all": (LEVEL, SHARES, OWN_TASTE, NEIGHBOURS, ITEMS, ALL),
}
"""What a predictor knows: names and prefixes of features."""

FIT_USERS = 200
"""Users that a process is fitted on, at most: it has a dozen numbers."""
PRIOR_RATINGS = 5.0
"""Average ratings that a user's histogram is shrunk by."""
COMPANY_POWER = 4
"""Sharpens a likeness that is never near 0."""


@dataclass(frozen=True)
class Moments:
    """Ratings to predict, one a row, with what is known before.

    Attributes:
        user: Index of the user.
        round: Number of the last window that may be known.
        rating: The rating.
        median: Median of the ratings known.
        features: Each of shape (rows,); NaN where there is no such thing.
    """

    user: Ints
    round: Ints
    rating: Floats
    median: Floats
    features: Mapping[str, Floats]

    def matrix(self, known: Sequence[str | tuple[str, ...]]) -> Floats:
        """Some features side by side; shape (rows, features)."""
        names = [
            name
            for part in known
            for name in ([one for one in self.features if one.startswith(part)] if isinstance(part, str) else part)
        ]
        return np.stack([self.features[name] for name in names], axis=1)


def fit_processes(ratings: Ratings, cases: Cases, seed: int) -> dict[str, Process]:
    """Fit a process for each kind of knowledge, on users who fit the predictor."""
    users = np.flatnonzero(~ratings.judged)
    fitted = cases.some(np.random.default_rng(seed).permutation(users)[:FIT_USERS])
    tastes = tuple(cases.likeness)
    return {
        "level": fit_process(fitted),
        "own_taste": fit_process(fitted, tastes),
        "items": fit_process(fitted, ("same",), with_items=True),
        "all": fit_process(fitted, tastes, with_items=True),
    }


def moments(
    ratings: Ratings, standing: Standing, cases: Cases, processes: Mapping[str, Process], history: str, rounds: int
) -> Moments:
    """Return what is known before each rating of a next window.

    Args:
        ratings: The ratings.
        standing: What others think of the items.
        cases: The first rounds + 2 windows of each user.
        processes: A process for each kind of knowledge.
        history: The windows that are known in round t: "all" (W_0..W_t), "first" (W_0) or "last" (W_t).
        rounds: The last round.
    """
    size, real, base = ratings.window_size, ~np.isnan(cases.rating), _base(ratings)
    covariances = {name: process.covariance(cases) for name, process in processes.items()}
    parts: list[dict[str, Floats]] = []
    for t in range(min(rounds + 1, real.shape[1] // size - 1)):
        known, targets = real.copy(), slice((t + 1) * size, (t + 2) * size)
        known[:, (size if history == "first" else targets.start) :] = False
        known[:, : t * size if history == "last" else 0] = False
        wanted = real[:, targets] & known.any(axis=1)[:, None]
        users, slots = np.nonzero(wanted)
        found = {"user": users, "round": np.full(len(users), float(t)), "rating": cases.rating[:, targets][wanted]}
        chosen = np.unique(users)
        levels = [_level(cases.rating[i, known[i]], np.flatnonzero(known[i]) // size, base, ratings) for i in chosen]
        row = np.searchsorted(chosen, users)
        found |= {name: np.array([one[name] for one in levels])[row] for name in (levels[0] if levels else ())}
        for name, process in processes.items():
            mean, variance = process.posterior(cases, covariances[name], known, targets)
            found |= {f"{name}_mean": mean[wanted], f"{name}_variance": variance[wanted]}
        found |= {name: of[wanted] for name, of in _own_taste(cases, known, targets).items()}
        ahead = {"suggested": standing.suggested, "effect": standing.effect, "rated_by": standing.count}
        found |= {name: of[:, targets][wanted] for name, of in (ahead | {"both": standing.both}).items()}
        parts.append(found)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    user, number = whole.pop("user").astype(np.int64), whole["round"].astype(np.int64)
    return Moments(user, number, whole.pop("rating"), whole["median"], whole)


def _base(ratings: Ratings) -> Floats:
    """Shares of the scale's values among the ratings of users who fit the predictor; shape (labels,)."""
    scale = ratings.domain.scale
    rated = ratings.rating[ratings.is_real & ~ratings.judged[:, None]]
    return np.bincount(scale.index(rated), minlength=len(scale.values)) / len(rated)


def _level(rated: Floats, window: Ints, base: Floats, ratings: Ratings) -> dict[str, float]:
    """How much a user gives.

    Args:
        rated: Ratings in time order; shape (n,).
        window: The window of each; shape (n,).
        base: Shares of the scale's values in the domain; shape (labels,).
        ratings: The ratings of the domain, for its scale.
    """
    scale: Scale = ratings.domain.scale
    newest = rated[window == window[-1]]
    counts = np.bincount(scale.index(rated), minlength=len(base)) + PRIOR_RATINGS * base
    shares = counts / counts.sum()
    lowest_quarter = scale.minimum + (scale.maximum - scale.minimum) / 4
    return {
        "median": float(np.median(rated)),
        "mean": float(rated.mean()),
        "deviation": float(rated.std()),
        "count": float(len(rated)),
        "window_mean": float(newest.mean()),
        "window_median": float(np.median(newest)),
        "last": float(rated[-1]),
        "last_three": float(rated[-3:].mean()),
        "top_share": float((rated >= scale.maximum).mean()),
        "low_share": float((rated <= lowest_quarter).mean()),
        "shrunk_mean": float(shares @ scale.values),
        **{f"{SHARES}{label}": float(share) for label, share in zip(scale.labels, shares, strict=True)},
    }


def _own_taste(cases: Cases, known: Slots, targets: slice) -> dict[str, Floats]:
    """How a user rated items like those of the next window; shape (users, targets) each."""
    here = slice(0, targets.stop)
    seen = known[:, here]
    rated = np.where(seen, cases.rating[:, here], 0.0)
    mean = rated.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    above = np.where(seen, rated - mean[:, None], 0.0)
    found: dict[str, Floats] = {}
    for name, likeness in cases.likeness.items():
        weight = np.maximum(likeness[:, targets, here], 0) ** (COMPANY_POWER if name == "company" else 1)
        weight = weight * seen[:, None, :]
        if name == "same":
            newest = np.where(weight > 0, np.arange(targets.stop), -1).max(axis=2)
            found["is_repeated"] = (newest >= 0).astype(np.float64)
            of_same = np.take_along_axis(above, np.maximum(newest, 0), axis=1)
            found["last_of_same"] = np.where(newest >= 0, of_same, np.nan)
            continue
        if name == "words":
            found["nearest"] = weight.max(axis=2)
        found[f"{NEIGHBOURS}{name}"] = np.einsum("uts,us->ut", weight, above) / (weight.sum(axis=2) + 1)
    return found
