"""Makes contexts: an old persona, its prediction of the current window, and the windows that give the reward."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from deeper.behaviour.splits import part
from deeper.behaviour.users import Windows, key_of
from deeper.learning.preferences.schema import CONTEXT


def contexts(personas: Sequence[Mapping[str, Any]], predictions: pa.Table, windows: Windows) -> pa.Table:
    """One `CONTEXT` row for each persona with a current and a future window.

    Args:
        personas: `PERSONA` rows S_{k-1}; failed ones give no context.
        predictions: Calibrated `PREDICTION` rows of W_k from these personas.
        windows: The windows of their users.
    """
    points = {(row["persona_id"], row["k"]): row["points"] for row in predictions.to_pylist() if not row["failure"]}
    rows: list[dict[str, Any]] = []
    for old in personas:
        own, k = windows[key_of(old)], old["k"] + 1
        if old["failure"] or len(own) < k + 2:
            continue
        rows.append(
            {
                "user": old["user"],
                "domain": old["domain"],
                "part": part(*key_of(old)),
                "k": k,
                "parent": old["id"],
                "persona": old["text"],
                "windows": own[: k + 1],
                "future": own[k + 1],
                "predicted": points.get((old["id"], k)),
            }
        )
    return pa.Table.from_pylist(rows, schema=CONTEXT)
