"""Errors of predictions, and their ratios with intervals over users, for `ceiling.py`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Scale
from deeper.measure.intervals import domain_mean_interval, domain_ratio_interval
from deeper.measure.metrics import crps, rank_accuracy, weighted_median
from paired import with_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Summary = Callable[[Floats], Floats]
"""Takes errors of shape (users, rounds) to one number a user, NaN where there is none."""


@dataclass(frozen=True)
class Errors:
    """Errors of one prediction in one domain; shape (users, rounds) each, NaN where a user has no such round.

    Attributes:
        mae: Mean absolute error of the points.
        crps: Continuous ranked probability score of the distributions.
        rank: Rank accuracy; NaN also where all ratings are equal.
    """

    mae: Floats
    crps: Floats
    rank: Floats


@dataclass(frozen=True)
class Predictions:
    """Predicted ratings, one a row.

    Attributes:
        points: The predictions that MAE judges; shape (rows,).
        expected: The numbers that order the items; shape (rows,).
        scores: Takes the actual ratings to the CRPS of each row.
    """

    points: Floats
    expected: Floats
    scores: Callable[[Floats], Floats]


def of_shares(shares: Floats, scale: Scale) -> Predictions:
    """Predict distributions over the scale; shape (rows, labels)."""
    values = scale.values
    return Predictions(weighted_median(shares, values), shares @ values, lambda rating: crps(shares, values, rating))


def of_points(points: Floats) -> Predictions:
    """Predict points, whose CRPS is the absolute error; shape (rows,)."""
    return Predictions(points, points, lambda rating: np.abs(points - rating))


ByDomain = Mapping[str, Errors]


def errors_of(predicted: Predictions, rating: Floats, place: tuple[Ints, Ints], shape: tuple[int, int]) -> Errors:
    """Average the errors of predictions in each user's rounds.

    Args:
        predicted: The predictions.
        rating: Actual ratings; shape (rows,).
        place: The user and the round of each row, from 0; shape (rows,) each.
        shape: Users and rounds.
    """
    found = Errors(*(np.full(shape, np.nan) for _ in range(3)))
    absolute, scores = np.abs(predicted.points - rating), predicted.scores(rating)
    groups = np.ravel_multi_index(place, shape)
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        cell = np.unravel_index(groups[rows[0]], shape)
        found.mae[cell], found.crps[cell] = absolute[rows].mean(), scores[rows].mean()
        found.rank[cell] = rank_accuracy(predicted.expected[rows], rating[rows])
    return found


def compared(rows: Mapping[str, ByDomain], baseline: str, summary: Summary) -> dict[str, Any]:
    """Compare predictions with one of them, over the domains and users that have the rounds in question.

    Args:
        rows: Errors of each prediction by domain.
        baseline: The prediction to compare with.
        summary: Chooses or averages rounds.

    Returns:
        For each other prediction `mae_ratio` and `crps_ratio` (to the baseline's), `mae` and `crps` (means over the
        domains of means over users) and `rank_accuracy`.
    """
    return {name: _compared(of, rows[baseline], summary) for name, of in rows.items() if name != baseline}


def domains_with(errors: ByDomain, summary: Summary) -> list[str]:
    """Return the domains in which some user has the rounds in question."""
    return [domain for domain, of in errors.items() if not np.isnan(summary(of.mae)).all()]


def over_rounds(errors: Floats) -> Floats:
    """Each user's mean over the rounds."""
    there = ~np.isnan(errors)
    counts = there.sum(axis=1)
    return np.where(counts > 0, np.where(there, errors, 0).sum(axis=1) / np.maximum(counts, 1), np.nan)


def in_round(number: int) -> Summary:
    """Return a summary that takes one round."""
    return lambda errors: errors[:, number]


def last_round(errors: Floats) -> Floats:
    """The last round that any user has."""
    return errors[:, np.flatnonzero(~np.isnan(errors).all(axis=0))[-1]]


def later_rounds(errors: Floats) -> Floats:
    """Each user's mean over the rounds from 1 on, where there is something to refine with."""
    return over_rounds(errors[:, 1:])


def by_domain_and_mean(names: Sequence[str], of: Callable[[Sequence[str]], dict[str, Any]]) -> dict[str, Any]:
    """Return the same of each domain, and of the mean of all of them."""
    return {name: of([name]) for name in names} | {"mean": of(names)}


def _compared(mine: ByDomain, theirs: ByDomain, summary: Summary) -> dict[str, Any]:
    domains = [domain for domain in mine if domain in domains_with(theirs, summary)]
    found: dict[str, Any] = {}
    for measure in ("mae", "crps"):
        pairs = [_paired(getattr(mine[one], measure), getattr(theirs[one], measure), summary) for one in domains]
        above, below = zip(*pairs, strict=True)
        found[measure] = round(float(np.mean([values.mean() for values in above])), 4)
        found[f"{measure}_ratio"] = with_interval(domain_ratio_interval(above, below))
    ranks = [summary(mine[domain].rank) for domain in domains]
    told = [values[~np.isnan(values)] for values in ranks]
    return found | {"rank_accuracy": with_interval(domain_mean_interval([some for some in told if len(some)]))}


def _paired(above: Floats, below: Floats, summary: Summary) -> tuple[Floats, Floats]:
    """Summarise two errors over the rounds and users that both have."""
    there = ~np.isnan(above) & ~np.isnan(below)
    above, below = (summary(np.where(there, errors, np.nan)) for errors in (above, below))
    return above[~np.isnan(above)], below[~np.isnan(below)]
