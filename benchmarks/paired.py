"""Compare errors of runs of `deeper evaluate` user by user; the benchmarks of trained models share this."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from deeper.measure.intervals import Interval, domain_mean_interval, domain_ratio_interval
from deeper.storage import layout

SEED = 1
Key = tuple[str, str]
"""Domain and user."""
Errors = Mapping[tuple[str, int], Mapping[Key, float]]
"""Held-out MAE by method and round, and then by user."""
Row = dict[str, Any]


def errors_of(run: Path, prediction: str) -> Errors:
    """Return held-out errors of one kind of prediction, and those of the baselines."""
    found: dict[tuple[str, int], dict[Key, float]] = {}
    for one in pq.read_table(run / layout.ERRORS_FILE).to_pylist():
        if one["role"] == "future" and one["prediction"] in (prediction, "none"):
            found.setdefault((one["method"], one["round"]), {})[one["domain"], one["user"]] = one["mae"]
    return found


def mean_of_rounds(errors: Errors) -> dict[str, dict[Key, float]]:
    """Return each user's mean over the rounds, by method."""
    by_user: dict[str, dict[Key, list[float]]] = {}
    for (method, _), found in sorted(errors.items()):
        for key, value in found.items():
            by_user.setdefault(method, {}).setdefault(key, []).append(value)
    return {name: {key: float(np.mean(values)) for key, values in found.items()} for name, found in by_user.items()}


def ratio(mine: Mapping[Key, float], theirs: Mapping[Key, float]) -> Interval:
    """Ratio of domain means over the users that both have."""
    both = mine.keys() & theirs.keys()
    return domain_ratio_interval(by_domain(both, mine), by_domain(both, theirs))


def difference(mine: Mapping[Key, float], theirs: Mapping[Key, float]) -> Interval:
    """Difference of domain means over the users that both have."""
    both = mine.keys() & theirs.keys()
    return domain_mean_interval(by_domain(both, {key: mine[key] - theirs[key] for key in both}))


def by_domain(keys: Collection[Key], values: Mapping[Key, float]) -> list[np.ndarray]:
    """Return an array for each domain: the values of its users, sorted by name."""
    ordered = sorted(keys)
    return [np.array([values[key] for key in ordered if key[0] == name]) for name in sorted({key[0] for key in keys})]


def with_interval(interval: Interval) -> Row:
    """Return `value` and `ci`, rounded; `ci` is None where the value rests on one user."""
    limits = [interval.low, interval.high]
    return {"value": round(interval.mean, 4), "ci": None if np.isnan(limits).any() else [round(x, 4) for x in limits]}
