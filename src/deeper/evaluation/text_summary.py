"""Statistics of personas: what leaked, and what the texts are like."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.evaluation.results_schema import TextStatistics
from deeper.measure.text import distinctness, redundancy, retention, words
from deeper.persona.stages import CONTROL_METHODS, DESCRIBED

Row = dict[str, Any]
Version = tuple[str, str, int]
"""Domain, user and k."""

COLUMNS = ("user", "domain", "k", "text", "tokens", "failure")
WITHOUT_TEXT = [name for name in CONTROL_METHODS if name != DESCRIBED]
"""The controls that hold no persona in words."""


def leak_rates(personas: pa.Table) -> dict[str, float]:
    """The share of personas that hold a title or a rating, by method."""
    return {
        method: float(np.mean(pc.list_value_length(own["leaks"]).to_numpy() > 0))
        for method, own in _by_method(personas)
    }


def text_statistics(personas: pa.Table) -> dict[str, TextStatistics]:
    """Statistics of the personas of each method, as means over personas; failed personas are left out.

    `tokens` and `words` are lengths; no model counts the tokens of `described`. `redundancy`, and `retention` from the
    persona of the round before, are those of `measure.text`. `distinctness` compares the users of a domain, by their
    persona of the method's last round; it is averaged over domains.
    """
    found: dict[str, TextStatistics] = {}
    first: dict[Version, str] = {}
    for method, own in _by_method(personas):
        all_rows: list[Row] = own.select(COLUMNS).to_pylist()
        texts = first | {_version(row, row["k"]): row["text"] for row in all_rows}
        if method == "initialise":
            first = texts
        if rows := [row for row in all_rows if not row["failure"]]:
            found[method] = TextStatistics(
                tokens=float("nan") if method == DESCRIBED else float(np.mean([row["tokens"] for row in rows])),
                words=float(np.mean([len(words(row["text"])) for row in rows])),
                redundancy=float(np.mean([redundancy(row["text"]) for row in rows])),
                retention=_mean(
                    retention(parent, row["text"])
                    for row in rows
                    if (parent := texts.get(_version(row, row["k"] - 1))) is not None
                ),
                distinctness=_distinctness(rows),
            )
    return found


def _by_method(personas: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The final personas method by method, "initialise" first; controls without a persona in words are left out.

    One method at a time, since all personas as Python rows take many times the memory of the table.
    """
    final = personas.filter((pc.field("stage") == "final") & ~pc.field("method").isin(WITHOUT_TEXT))
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
    """The mean of the values that are not NaN; NaN if there is none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
