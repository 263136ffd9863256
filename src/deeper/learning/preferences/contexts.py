"""Makes contexts: an old persona, its prediction of the current window, and the windows that give the reward."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from deeper.behaviour.splits import part
from deeper.behaviour.users import Windows, key_of
from deeper.learning.preferences.schema import CONTEXT
from deeper.persona.updaters import Updaters, needs_short_term


def contexts(
    personas: Sequence[Mapping[str, Any]],
    predictions: pa.Table,
    short_term: Sequence[Mapping[str, Any]],
    windows: Windows,
    updaters: Updaters,
    future_windows: int,
) -> pa.Table:
    """One `CONTEXT` row for each updater and each persona with a current and a future window.

    All updaters get the same old personas.

    Args:
        personas: `PERSONA` rows S_{k-1}, all of one round; failed ones give no context.
        predictions: Calibrated `PREDICTION` rows of W_k from these personas.
        short_term: `PERSONA` rows, each of W_k alone. An updater that needs one has no context where there is none.
        windows: The windows of their users.
        updaters: The updaters to ask.
        future_windows: Most windows after W_k that the reward may use.
    """
    points = {(row["persona_id"], row["k"]): row["points"] for row in predictions.to_pylist() if not row["failure"]}
    recent = {key_of(row): row["text"] for row in short_term if not row["failure"]}
    rows: list[dict[str, Any]] = []
    for method, updater in updaters.items():
        for old in personas:
            key, k = key_of(old), old["k"] + 1
            own = windows[key]
            if not gives_context(old, windows) or (needs_short_term(updater) and key not in recent):
                continue
            rows.append(
                {
                    "user": old["user"],
                    "domain": old["domain"],
                    "part": part(*key),
                    "k": k,
                    "parent": old["id"],
                    "method": method,
                    "persona": old["text"],
                    "short_term": recent[key] if needs_short_term(updater) else "",
                    "windows": own[: k + 1],
                    "future": own[k + 1 : k + 1 + future_windows],
                    "predicted": points.get((old["id"], k)),
                }
            )
    return pa.Table.from_pylist(rows, schema=CONTEXT)


def gives_context(old: Mapping[str, Any], windows: Windows) -> bool:
    """Whether a persona S_{k-1} was written and its user has both W_k and W_{k+1}."""
    return not old["failure"] and len(windows[key_of(old)]) > old["k"] + 2
