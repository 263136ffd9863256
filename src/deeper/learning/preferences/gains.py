"""Compares directions with the old persona, window by window; rewards and their reliability are computed from this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.learning.preferences.window_errors import Measure, window_error

Floats = NDArray[np.float64]
Row = Mapping[str, Any]

RESCORED_SUFFIX = "+again"
"""Follows an old persona's id when its text is scored again among the directions."""
ALL_ITEMS, EVEN_ITEMS, ODD_ITEMS = 0, 1, 2
"""The items that an error is computed from, as places in the first axis of `Gains`."""
_PLACES = (slice(0, None), slice(0, None, 2), slice(1, None, 2))
PARTS = 3
"""The parts of a reward: previous, current and future window."""


@dataclass(frozen=True)
class Gains:
    """The directions of a context against its old persona.

    Errors are of all items of a window, of those at even and of those at odd places (`ALL_ITEMS` …), and of the
    previous, the current and the mean future window.

    Attributes:
        context: The `CONTEXT` row.
        measure: The error.
        texts: The distinct texts of its directions, in the order of the samples.
        old: Errors of the old persona; shape (3 sets of items, 3 parts).
        gains: `old` minus the errors of each text; shape (3, texts, 3); NaN where the text's predictions failed.
        rescored: `old` minus the errors of the old persona when scored again; shape (3, 3).
        failure: Why the context gives no rewards: its old persona's predictions failed, or a window has no rating.
        failures: Why each text has no reward, including the context's failure; empty if it has one; shape (texts,).
    """

    context: Row
    measure: Measure
    texts: tuple[str, ...]
    old: Floats
    gains: Floats
    rescored: Floats
    failure: str
    failures: tuple[str, ...]


def context_key(row: Row) -> tuple[Any, ...]:
    """The key of a context, from its row or from a direction's."""
    return *persona_key(row), row["method"]


def persona_key(row: Row) -> tuple[Any, ...]:
    """The key of an old persona at a round, which the contexts of several updaters share."""
    return row["domain"], row["user"], row["k"], row["parent"]


def by_context(directions: pa.Table) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Group `DIRECTION` rows by the key of their context."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in directions.to_pylist():
        groups.setdefault(context_key(row), []).append(row)
    return groups


def text_names(contexts: pa.Table, directions: pa.Table) -> dict[tuple[Any, ...], dict[str, str]]:
    """Ids by text, for each `persona_key`: the old persona with `RESCORED_SUFFIX`, then each text's first direction."""
    names: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in contexts.select(["domain", "user", "k", "parent", "persona"]).to_pylist():
        names[persona_key(row)] = {row["persona"]: row["parent"] + RESCORED_SUFFIX}
    for row in directions.to_pylist():
        own = names.get(persona_key(row))
        if own is not None and not row["failure"]:
            own.setdefault(row["text"], row["id"])
    return names


def reward_windows(context: Row) -> list[tuple[int, Sequence[Row]]]:
    """The windows that a reward is computed on, with their numbers: previous, current and one or more future ones."""
    k = context["k"]
    return list(enumerate([*context["windows"][-2:], *context["future"]], start=k - 1))


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
        predictions: Calibrated `PREDICTION` rows of `rewards.asked_of_old` and `rewards.asked_of_candidates`.
        domains: The domains, by id.
        measure: The error.
        ratings: Ratings to compare with in place of those that users gave, by domain, user and window; shape (items,)
            each.
    """
    read = {(row["persona_id"], row["k"]): row for row in predictions.to_pylist()}
    names, groups = text_names(contexts, directions), by_context(directions)

    def compare(context: Row) -> Gains:
        windows = reward_windows(context)
        domain = domains[context["domain"]]
        given = [np.array([item["rating"] for item in items], np.float64) for _, items in windows]
        rated = [domain.is_rated(window) for window in given]
        actual = given if ratings is None else [ratings[context["domain"], context["user"], k] for k, _ in windows]
        of_texts = names[persona_key(context)]
        own = [row["text"] for row in groups.get(context_key(context), []) if not row["failure"]]
        texts = [text for text in dict.fromkeys(own) if text != context["persona"]]

        def rows(name: str) -> list[Row]:
            return [read[name, k] for k, _ in windows]

        def errors(name: str) -> Floats:
            return _errors(rows(name), actual, rated, domain, measure)

        def failure(name: str) -> str:
            return next((row["failure"] for row in rows(name) if row["failure"]), "")

        unread = failure(context["parent"])
        previous, current, *future = (mask.any() for mask in rated)
        empty = "" if previous and current and any(future) else "a window has no rating"
        general = empty or (f"old persona: {unread}" if unread else "")
        old = errors(context["parent"])
        candidates = [errors(of_texts[text]) for text in texts]
        return Gains(
            context=context,
            measure=measure,
            texts=tuple(texts),
            old=old,
            gains=old[:, None] - np.array(candidates).reshape(len(texts), *old.shape).swapaxes(0, 1),
            rescored=old - errors(context["parent"] + RESCORED_SUFFIX),
            failure=general,
            failures=tuple(general or failure(of_texts[text]) for text in texts),
        )

    return [compare(context) for context in contexts.to_pylist()]


def _errors(
    rows: Sequence[Row],
    actual: Sequence[Floats],
    rated: Sequence[NDArray[np.bool_]],
    domain: Domain,
    measure: Measure,
) -> Floats:
    """Errors by set of items and part, (3, 3); NaN where no item is rated, everywhere if a prediction failed."""
    if any(row["failure"] for row in rows):
        return np.full((len(_PLACES), PARTS), np.nan)
    return np.array([_of_items(rows, actual, rated, places, domain, measure) for places in _PLACES])


def _of_items(
    rows: Sequence[Row],
    actual: Sequence[Floats],
    rated: Sequence[NDArray[np.bool_]],
    places: slice,
    domain: Domain,
    measure: Measure,
) -> list[float]:
    errors: list[float] = []
    for row, window, mask in zip(rows, actual, rated, strict=True):
        chosen = np.zeros(len(mask), bool)
        chosen[places] = mask[places]
        errors.append(window_error(row, window, chosen, domain, measure))
    previous, current, *future = errors
    known = [error for error in future if not np.isnan(error)]
    return [previous, current, sum(known) / len(known) if known else float("nan")]
