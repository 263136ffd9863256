"""Contexts: the old persona, its prediction of the current window, and the windows that judge what comes next."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.domains import Domain
from deeper.learning.schema import CONTEXT
from deeper.learning.splits import part, some_of_each_domain
from deeper.persona.calibration import Calibration, fit

Key = tuple[str, str]
"""Domain and user."""
Windows = Mapping[Key, Sequence[Sequence[Mapping[str, Any]]]]
"""W_0, W_1, … of each user, each a list of items."""

CONTEXT_WINDOWS = 3
"""The least that gives a context: a previous, a current and a future window."""


def choose_users(windows: pa.Table, parts: Sequence[str], users: int) -> dict[Key, list[Any]]:
    """The windows of the train users that contexts are made of, sorted by domain and user.

    Args:
        windows: `WINDOW` rows.
        parts: The parts of the train users to take (`learning.splits`).
        users: Users of each domain, at most; chosen by a hash, so that a smaller choice is a part of a larger one.
    """
    train = windows.filter(pc.field("split") == "train").select(["domain", "user", "k", "items"])
    found: dict[Key, list[Any]] = {}
    for row in train.to_pylist():
        if part(row["domain"], row["user"]) in parts:
            found.setdefault((row["domain"], row["user"]), []).append(row["items"])
    whole = [key for key, own in found.items() if len(own) >= CONTEXT_WINDOWS]
    return {key: found[key] for key in some_of_each_domain(whole, users)}


def fit_calibration(predictions: pa.Table, windows: Windows, domains: Mapping[str, Domain]) -> Calibration:
    """Fit the maps on uncalibrated `PREDICTION` rows of one predictor; failed ones and unrated items are left out."""
    readouts: dict[str, list[Any]] = {}
    ratings: dict[str, list[float]] = {}
    for row in predictions.to_pylist():
        if not row["failure"]:
            window = windows[row["domain"], row["user"]][row["k"]]
            readouts.setdefault(row["domain"], []).extend(row["distribution"])
            ratings.setdefault(row["domain"], []).extend(item["rating"] for item in window)
    samples: list[tuple[Domain, Any, Any]] = []
    for name in sorted(readouts):
        actual = np.array(ratings[name])
        rated = domains[name].is_rated(actual)
        samples.append((domains[name], np.array(readouts[name])[rated], actual[rated]))
    return fit(samples)


def contexts(personas: Sequence[Mapping[str, Any]], predictions: pa.Table, windows: Windows) -> pa.Table:
    """One `CONTEXT` row for each persona that has a current and a future window.

    Args:
        personas: `PERSONA` rows S_{k-1}; those that could not be written give no context.
        predictions: Calibrated `PREDICTION` rows of W_k from these personas.
        windows: The windows of their users.
    """
    points = {(row["persona_id"], row["k"]): row["points"] for row in predictions.to_pylist() if not row["failure"]}
    rows: list[dict[str, Any]] = []
    for old in personas:
        own, k = windows[old["domain"], old["user"]], old["k"] + 1
        if old["failure"] or len(own) < k + 2:
            continue
        rows.append(
            {
                "user": old["user"],
                "domain": old["domain"],
                "part": part(old["domain"], old["user"]),
                "k": k,
                "parent": old["id"],
                "persona": old["text"],
                "windows": own[: k + 1],
                "future": own[k + 1],
                "predicted": points.get((old["id"], k)),
            }
        )
    return pa.Table.from_pylist(rows, schema=CONTEXT)
