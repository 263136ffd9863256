"""Personas and predictions described: what failed, what leaked, what the texts are like."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.evaluation.schema import CONTROLS, HISTORY_ONLY
from deeper.measure.text import distinctness, redundancy, retention, words

Row = dict[str, Any]

NOT_WRITTEN = (*CONTROLS, HISTORY_ONLY)
DESCRIBED = ("user", "domain", "method", "k", "text", "tokens", "leaks", "failure")


def count_failures(predictions: pa.Table, personas: pa.Table) -> dict[str, dict[str, int]]:
    """Predictions that could not be read and personas that could not be written, by method.

    A prediction that failed has no error row; a persona that failed kept its parent's text. The predictions
    from S_0 are those of "initialise"; short-term personas count as their method's.
    """
    rows = personas.select(["id", "method", "failure"]).to_pylist()
    method_of = {row["id"]: row["method"] for row in rows}
    methods = list(dict.fromkeys(row["method"] for row in rows))
    failed = predictions.filter(pc.field("failure") != "")["persona_id"].to_pylist()
    unread = Counter(method_of[str(persona)] for persona in failed)
    unwritten = Counter(row["method"] for row in rows if row["failure"])
    return {
        "failures": {method: unread[method] for method in methods},
        "persona_failures": {method: unwritten[method] for method in methods if method not in NOT_WRITTEN},
    }


def leak_rates(personas: pa.Table) -> dict[str, float]:
    """Share of personas that hold a title or a rating, by method."""
    return {
        method: float(np.mean([bool(row["leaks"]) for row in rows])) for method, rows in _by_method(personas).items()
    }


def describe_texts(personas: pa.Table) -> dict[str, dict[str, float]]:
    """Describe the personas of each method, as means over personas; those that failed are left out.

    `tokens` and `words` are lengths; `redundancy` and `retention` (from the persona of the round before) are
    of `measure.text`; `distinctness` is between the users of a domain, each with the last persona that all
    the method's rounds gave, averaged over domains.
    """
    by_method = _by_method(personas)
    texts = {
        (row["domain"], row["user"], method, row["k"]): row["text"]
        for method, rows in by_method.items()
        for row in rows
    }
    written = {method: [row for row in rows if not row["failure"]] for method, rows in by_method.items()}
    return {
        method: {
            "tokens": float(np.mean([row["tokens"] for row in rows])),
            "words": float(np.mean([len(words(row["text"])) for row in rows])),
            "redundancy": float(np.mean([redundancy(row["text"]) for row in rows])),
            "retention": _mean(
                retention(parent, row["text"])
                for row in rows
                if (parent := texts.get(_before(row, method))) is not None
            ),
            "distinctness": _distinctness(rows),
        }
        for method, rows in written.items()
        if rows
    }


def _by_method(personas: pa.Table) -> dict[str, list[Row]]:
    """Final personas by the method that wrote them, with what is described; controls are none."""
    final = personas.filter((pc.field("stage") == "final") & ~pc.field("method").isin(NOT_WRITTEN))
    rows: dict[str, list[Row]] = {}
    for row in final.select(DESCRIBED).to_pylist():
        rows.setdefault(row["method"], []).append(row)
    return rows


def _before(row: Row, method: str) -> tuple[str, str, str, int]:
    k = row["k"] - 1
    return row["domain"], row["user"], "initialise" if k == 0 else method, k


def _distinctness(rows: Sequence[Row]) -> float:
    last = max(row["k"] for row in rows)
    texts: dict[str, list[str]] = {}
    for row in rows:
        if row["k"] == last:
            texts.setdefault(row["domain"], []).append(row["text"])
    return _mean(map(distinctness, texts.values()))


def _mean(values: Iterable[float]) -> float:
    """Mean of the values that are numbers; NaN where there is none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
