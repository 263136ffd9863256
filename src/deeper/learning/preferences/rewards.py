"""Computes the reward of a direction: how much better than the old persona it predicts three windows.

    r_prev = E(P_{k-1|k-1}, U_{k-1}) − E(P_{k-1|k}, U_{k-1})
    r_curr = E(P_{k|k-1},   U_k)     − E(P_{k|k},   U_k)
    r_fut  = E(P_{k+1|k-1}, U_{k+1}) − E(P_{k+1|k}, U_{k+1})
    r      = w_prev·r_prev + w_curr·r_curr + w_fut·r_fut

P_{·|k-1} is predicted from the old persona and P_{·|k} from the direction; the error E is the mean over the rated items
of the absolute error of the point, or of the CRPS of the distribution (equal for a point, smoother for a distribution).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.errors import UserError
from deeper.learning.preferences.gains import (
    Gains,
    Measure,
    Row,
    by_context,
    context_key,
    reward_windows,
    text_names,
    window_means,
)
from deeper.learning.preferences.recipe import REWARD_RECIPE
from deeper.learning.preferences.schema import REWARD
from deeper.persona.predict import Asked

Floats = NDArray[np.float64]


def asked_of_old(contexts: pa.Table) -> list[Asked]:
    """The old personas of `CONTEXT` rows, with three windows to predict from each."""
    return [_asked(row["parent"], row["persona"], row) for row in contexts.to_pylist()]


def asked_of_candidates(contexts: pa.Table, directions: pa.Table) -> list[Asked]:
    """The directions, each distinct text of a context once, and the old personas once more."""
    groups = by_context(directions)
    return [
        _asked(name, text, row)
        for row in contexts.to_pylist()
        for text, name in text_names(row, groups.get(context_key(row), [])).items()
    ]


def reward_table(
    directions: pa.Table, compared: Sequence[Gains], measure: Measure, weights: Sequence[float]
) -> pa.Table:
    """The reward of each direction: `DIRECTION` to `REWARD` rows.

    Args:
        directions: `DIRECTION` rows.
        compared: Their gains (`gains.gains`).
        measure: The error that the gains measure.
        weights: w_prev, w_curr, w_fut.
    """
    known: dict[tuple[Any, ...], tuple[Floats, str]] = {}
    for one in compared:
        key = context_key(one.context)
        for text, three, failure in zip(one.texts, window_means(one.gains), one.failures, strict=True):
            known[*key, text] = three, failure
        # A direction that repeats the old persona changes nothing; batching may still have changed the last digits.
        known[*key, one.context["persona"]] = np.zeros(3), one.failure
    rows: list[dict[str, Any]] = []
    for row in directions.to_pylist():
        three, failure = np.full(3, np.nan), f"no text: {row['failure']}"
        if not row["failure"]:
            three, failure = known[*context_key(row), row["text"]]
        names = ("r_prev", "r_curr", "r_fut", "r")
        values = (*three.tolist(), float(three @ np.asarray(weights, np.float64)))
        rows.append(
            {
                "direction_id": row["id"],
                **{key: row[key] for key in ("user", "domain", "k")},
                "measure": measure,
                **{name: None if failure else value for name, value in zip(names, values, strict=True)},
                "failure": failure,
            }
        )
    return pa.Table.from_pylist(rows, schema=REWARD)


def check_zero(compared: Sequence[Gains], domains: Mapping[str, Domain]) -> float:
    """The largest reward of an old persona that was scored again, as a share of the scale's range; ideally 0.

    Args:
        compared: Gains by CRPS, which does not jump where a median flips.
        domains: The domains, by id.

    Raises:
        UserError: The reward is above `RewardRecipe.rescored_tolerance`.
    """
    largest = 0.0
    for one in compared:
        values = domains[one.context["domain"]].scale.values
        reward = float(np.abs(window_means(one.rescored)).sum()) / float(np.ptp(values))
        largest = max(largest, 0.0 if np.isnan(reward) else reward)
    if largest > REWARD_RECIPE.rescored_tolerance:
        raise UserError(
            f"old personas that were scored again got rewards of up to {largest:.4f} of the scale's range instead of 0 "
            f"(tolerance {REWARD_RECIPE.rescored_tolerance})",
            where="predictor",
            do="use a predictor whose answers do not depend on the rest of the batch, or a higher precision",
        )
    return largest


def _asked(persona_id: str, text: str, context: Row) -> Asked:
    persona = {"id": persona_id, "user": context["user"], "domain": context["domain"], "text": text}
    return persona, dict(reward_windows(context))
