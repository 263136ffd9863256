"""Directions against the old persona, item by item: what rewards and their reliability are computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.measure.metrics import crps

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
Measure = Literal["mae", "crps"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

AGAIN = "+again"
"""Behind an old persona's id: the same text, scored once more among the directions."""


@dataclass(frozen=True)
class Gains:
    """The directions of a context against its old persona, item by item.

    Attributes:
        context: The `CONTEXT` row.
        texts: The distinct texts of its directions, in the order of the samples.
        old: Errors of the old persona in the previous, current and future window; shape (items,) each, NaN where an
            item has no rating.
        gains: These errors less those of each text; shape (texts, items) each; rows of NaN where the text's
            predictions failed.
        again: The same for the old persona scored once more; shape (items,) each.
        failure: Why the context cannot be judged: its old persona's predictions failed, or a window has no rating.
        failures: Why a text has no reward, the context's failure included; shape (texts,).
    """

    context: Row
    texts: tuple[str, ...]
    old: tuple[Floats, ...]
    gains: tuple[Floats, ...]
    again: tuple[Floats, ...]
    failure: str
    failures: tuple[str, ...]


def by_context(directions: pa.Table) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """`DIRECTION` rows by the key of their context."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in directions.to_pylist():
        groups.setdefault(context_key(row), []).append(row)
    return groups


def context_key(row: Row) -> tuple[Any, ...]:
    """What names a context, of its row or of a direction's."""
    return row["domain"], row["user"], row["k"], row["parent"]


def gains(
    contexts: pa.Table,
    directions: pa.Table,
    predictions: pa.Table,
    domains: Mapping[str, Domain],
    measure: Measure,
    ratings: Mapping[tuple[str, str, int], Floats] | None = None,
) -> list[Gains]:
    """Compare the directions of each context with its old persona.

    Args:
        contexts: `CONTEXT` rows.
        directions: `DIRECTION` rows.
        predictions: Calibrated `PREDICTION` rows of `reward.old_rows` and `reward.candidate_rows`.
        domains: By id.
        measure: The error.
        ratings: What is to be predicted, (items,) by domain, user and window, if not what the users gave.
    """
    read = {(row["persona_id"], row["k"]): row for row in predictions.to_pylist()}
    groups = by_context(directions)
    return [
        _compare(context, groups.get(context_key(context), []), read, domains[context["domain"]], measure, ratings)
        for context in contexts.to_pylist()
    ]


def _compare(
    context: Row,
    directions: Sequence[Row],
    read: Mapping[tuple[str, int], Row],
    domain: Domain,
    measure: Measure,
    ratings: Mapping[tuple[str, str, int], Floats] | None,
) -> Gains:
    windows = judged_windows(context)
    given = [np.array([item["rating"] for item in items], np.float64) for _, items in windows]
    rated = [domain.is_rated(window) for window in given]
    actual = given if ratings is None else [ratings[context["domain"], context["user"], k] for k, _ in windows]

    def errors(name: str) -> list[Floats]:
        parts = zip(windows, actual, rated, strict=True)
        return [_errors(read[name, k], window, mask, domain, measure) for (k, _), window, mask in parts]

    def failure(name: str) -> str:
        return next((read[name, k]["failure"] for k, _ in windows if read[name, k]["failure"]), "")

    names = text_names(context, directions)
    texts = [text for text in names if text != context["persona"]]
    unread = failure(context["parent"])
    empty = "" if all(mask.any() for mask in rated) else "a window has no rating"
    general = empty or (f"old persona: {unread}" if unread else "")
    old, again = errors(context["parent"]), errors(context["parent"] + AGAIN)
    candidates = [errors(names[text]) for text in texts]
    return Gains(
        context=context,
        texts=tuple(texts),
        old=tuple(old),
        gains=tuple(
            old[w] - np.array([errors[w] for errors in candidates]).reshape(len(texts), len(old[w])) for w in range(3)
        ),
        again=tuple(old[w] - again[w] for w in range(3)),
        failure=general,
        failures=tuple(general or failure(names[text]) for text in texts),
    )


def judged_windows(context: Row) -> list[tuple[int, Sequence[Row]]]:
    """The previous, current and future window of a context, with their numbers."""
    k = context["k"]
    return [(k - 1, context["windows"][-2]), (k, context["windows"][-1]), (k + 1, context["future"])]


def parts(windows: Sequence[Floats], items: slice = slice(None)) -> Floats:
    """Mean gain of each window over its rated items (or some of them).

    Args:
        windows: Gains in the previous, current and future window; shape (…, items) each.
        items: Which items.

    Returns:
        r_prev, r_curr and r_fut; shape (…, 3); NaN where none of the items is rated or the prediction failed.
    """
    chosen = [window[..., items] for window in windows]
    counts = [np.isfinite(window).sum(axis=-1) for window in chosen]
    means = [np.nansum(w, axis=-1) / np.where(n > 0, n, np.nan) for w, n in zip(chosen, counts, strict=True)]
    return np.stack(means, axis=-1)


def text_names(context: Row, directions: Sequence[Row]) -> dict[str, str]:
    """Ids by text: the old persona once more, then for each other text the first direction that has it."""
    names = {context["persona"]: context["parent"] + AGAIN}
    for row in directions:
        if not row["failure"]:
            names.setdefault(row["text"], row["id"])
    return names


def _errors(row: Row, actual: Floats, rated: NDArray[np.bool_], domain: Domain, measure: Measure) -> Floats:
    """Error of each item, (items,); NaN where it is not rated, and everywhere if the prediction failed."""
    if row["failure"]:
        return np.full(len(actual), np.nan)
    if measure == "mae":
        errors = np.abs(np.array(row["points"], np.float64) - actual)
    else:
        errors = crps(np.array(row["distribution"], np.float64), domain.scale.values, actual)
    return np.where(rated, errors, np.nan)
