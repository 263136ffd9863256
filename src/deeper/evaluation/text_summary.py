"""Personas and predictions described: what failed, what leaked, what the texts are like."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.evaluation.schema import CONTROLS, HISTORY_ONLY
from deeper.measure.text import distinctness, redundancy, retention, words

Row = dict[str, Any]
Version = tuple[str, str, int]
"""Domain, user and k."""

NOT_WRITTEN = (*CONTROLS, HISTORY_ONLY)
DESCRIBED = ("user", "domain", "k", "text", "tokens", "failure")


def count_failures(predictions: pa.Table, personas: pa.Table) -> dict[str, dict[str, int]]:
    """Predictions that could not be read and personas that could not be written, by method.

    A prediction that failed has no error row; a persona that failed kept its parent's text. The predictions
    from S_0 are those of "initialise"; short-term personas count as their method's.
    """
    written_by: list[Any] = personas["method"].to_pylist()
    reasons = personas["failure"].to_pylist()
    method_of = dict(zip(personas["id"].to_pylist(), written_by, strict=True))
    methods = list(dict.fromkeys(written_by))
    failed = predictions.filter(pc.field("failure") != "")["persona_id"].to_pylist()
    unread = Counter(method_of[str(persona)] for persona in failed)
    unwritten = Counter(method for method, reason in zip(written_by, reasons, strict=True) if reason)
    return {
        "failures": {method: unread[method] for method in methods},
        "persona_failures": {method: unwritten[method] for method in methods if method not in NOT_WRITTEN},
    }


def leak_rates(personas: pa.Table) -> dict[str, float]:
    """Share of personas that hold a title or a rating, by method."""
    return {
        method: float(np.mean(pc.list_value_length(own["leaks"]).to_numpy() > 0))
        for method, own in _by_method(personas)
    }


def describe_texts(personas: pa.Table) -> dict[str, dict[str, float]]:
    """Describe the personas of each method, as means over personas; those that failed are left out.

    `tokens` and `words` are lengths; `redundancy` and `retention` (from the persona of the round before) are
    of `measure.text`; `distinctness` is between the users of a domain, each with the last persona that all
    the method's rounds gave, averaged over domains.
    """
    found: dict[str, dict[str, float]] = {}
    first: dict[Version, str] = {}
    for method, own in _by_method(personas):
        all_rows: list[Row] = own.select(DESCRIBED).to_pylist()
        texts = first | {_version(row, row["k"]): row["text"] for row in all_rows}
        if method == "initialise":
            first = texts
        if rows := [row for row in all_rows if not row["failure"]]:
            found[method] = {
                "tokens": float(np.mean([row["tokens"] for row in rows])),
                "words": float(np.mean([len(words(row["text"])) for row in rows])),
                "redundancy": float(np.mean([redundancy(row["text"]) for row in rows])),
                "retention": _mean(
                    retention(parent, row["text"])
                    for row in rows
                    if (parent := texts.get(_version(row, row["k"] - 1))) is not None
                ),
                "distinctness": _distinctness(rows),
            }
    return found


def _by_method(personas: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Final personas of one method after the other, those that all begin with first; controls are none.

    All methods' personas as Python rows would take many times the memory of the table.
    """
    final = personas.filter((pc.field("stage") == "final") & ~pc.field("method").isin(NOT_WRITTEN))
    methods: list[Any] = final["method"].unique().to_pylist()
    for method in sorted(methods, key=lambda name: name != "initialise"):
        yield method, final.filter(pc.field("method") == method)


def _version(row: Row, k: int) -> Version:
    return row["domain"], row["user"], k


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
