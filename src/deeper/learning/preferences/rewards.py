"""Computes the reward of a direction: how much better than the old persona it predicts three windows.

    r_prev = E(P_{k-1|k-1}, U_{k-1}) − E(P_{k-1|k}, U_{k-1})
    r_curr = E(P_{k|k-1},   U_k)     − E(P_{k|k},   U_k)
    r_fut  = E(P_{k+1|k-1}, U_{k+1}) − E(P_{k+1|k}, U_{k+1})
    r      = w_prev·r_prev + w_curr·r_curr + w_fut·r_fut

P_{·|k-1} is predicted from the old persona and P_{·|k} from the direction; the error E is one of `window_errors`. With
several future windows, r_fut is the mean of their differences.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.errors import UserError
from deeper.learning.preferences.gains import (
    ALL_ITEMS,
    PARTS,
    Gains,
    Row,
    context_key,
    persona_key,
    reward_windows,
    text_names,
)
from deeper.learning.preferences.recipe import REWARD_RECIPE
from deeper.learning.preferences.schema import REWARD
from deeper.persona.predict import Asked

Floats = NDArray[np.float64]


def asked_of_old(contexts: pa.Table) -> list[Asked]:
    """The old personas of `CONTEXT` rows, each once, with the windows to predict from each."""
    return [_asked(row["parent"], row["persona"], row) for row in _of_old(contexts).values()]


def asked_of_candidates(contexts: pa.Table, directions: pa.Table) -> list[Asked]:
    """The directions, each distinct text of an old persona once, and the old personas once more."""
    rows = _of_old(contexts)
    return [
        _asked(name, text, rows[key])
        for key, names in text_names(contexts, directions).items()
        for text, name in names.items()
    ]


def reward_table(directions: pa.Table, compared: Sequence[Gains], weights: Sequence[float]) -> pa.Table:
    """The reward of each direction: `DIRECTION` to `REWARD` rows.

    Args:
        directions: `DIRECTION` rows.
        compared: Their gains (`gains.gains`), all by one measure.
        weights: w_prev, w_curr, w_fut.
    """
    known: dict[tuple[Any, ...], tuple[Floats, str]] = {}
    for one in compared:
        key = context_key(one.context)
        for text, three, failure in zip(one.texts, one.gains[ALL_ITEMS], one.failures, strict=True):
            known[*key, text] = three, failure
        # A direction that repeats the old persona changes nothing; batching may still have changed the last digits.
        known[*key, one.context["persona"]] = np.zeros(PARTS), one.failure
    rows: list[dict[str, Any]] = []
    for row in directions.to_pylist():
        three, failure = np.full(PARTS, np.nan), f"no text: {row['failure']}"
        if not row["failure"]:
            three, failure = known[*context_key(row), row["text"]]
        names = ("r_prev", "r_curr", "r_fut", "r")
        values = (*three.tolist(), float(three @ np.asarray(weights, np.float64)))
        rows.append(
            {
                "direction_id": row["id"],
                **{key: row[key] for key in ("user", "domain", "k")},
                "measure": compared[0].measure,
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
        reward = float(np.abs(one.rescored[ALL_ITEMS]).sum()) / float(np.ptp(values))
        largest = max(largest, 0.0 if np.isnan(reward) else reward)
    if largest > REWARD_RECIPE.rescored_tolerance:
        raise UserError(
            f"old personas that were scored again got rewards of up to {largest:.4f} of the scale's range instead of 0 "
            f"(tolerance {REWARD_RECIPE.rescored_tolerance})",
            where="predictor",
            do="use a predictor whose answers do not depend on the rest of the batch, or a higher precision",
        )
    return largest


def _of_old(contexts: pa.Table) -> dict[tuple[Any, ...], Row]:
    """One `CONTEXT` row of each old persona."""
    return {persona_key(row): row for row in contexts.to_pylist()}


def _asked(persona_id: str, text: str, context: Row) -> Asked:
    persona = {"id": persona_id, "user": context["user"], "domain": context["domain"], "text": text}
    return persona, dict(reward_windows(context))
