"""Compares directions with the old persona, item by item; rewards and their reliability are computed from this."""

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

RESCORED_SUFFIX = "+again"
"""Follows an old persona's id when its text is scored again among the directions."""


@dataclass(frozen=True)
class Gains:
    """The directions of a context against its old persona, item by item.

    Attributes:
        context: The `CONTEXT` row.
        texts: The distinct texts of its directions, in the order of the samples.
        old: Errors of the old persona in the previous, current and future window; shape (items,) each, NaN where an
            item has no rating.
        gains: `old` minus the errors of each text; shape (texts, items) each; rows of NaN where the text's predictions
            failed.
        rescored: `old` minus the errors of the old persona when scored again; shape (items,) each.
        failure: Why the context gives no rewards: its old persona's predictions failed, or a window has no rating.
        failures: Why each text has no reward, including the context's failure; empty if it has one; shape (texts,).
    """

    context: Row
    texts: tuple[str, ...]
    old: tuple[Floats, ...]
    gains: tuple[Floats, ...]
    rescored: tuple[Floats, ...]
    failure: str
    failures: tuple[str, ...]


def by_context(directions: pa.Table) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Group `DIRECTION` rows by the key of their context."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in directions.to_pylist():
        groups.setdefault(context_key(row), []).append(row)
    return groups


def context_key(row: Row) -> tuple[Any, ...]:
    """The key of a context, from its row or from a direction's."""
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
        predictions: Calibrated `PREDICTION` rows of `rewards.asked_of_old` and `rewards.asked_of_candidates`.
        domains: The domains, by id.
        measure: The error.
        ratings: Ratings to compare with in place of those that users gave, by domain, user and window; shape (items,)
            each.
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
    windows = reward_windows(context)
    given = [np.array([item["rating"] for item in items], np.float64) for _, items in windows]
    rated = [domain.is_rated(window) for window in given]
    actual = given if ratings is None else [ratings[context["domain"], context["user"], k] for k, _ in windows]

    def errors(name: str) -> list[Floats]:
        three = zip(windows, actual, rated, strict=True)
        return [_errors(read[name, k], window, mask, domain, measure) for (k, _), window, mask in three]

    def failure(name: str) -> str:
        return next((read[name, k]["failure"] for k, _ in windows if read[name, k]["failure"]), "")

    names = text_names(context, directions)
    texts = [text for text in names if text != context["persona"]]
    unread = failure(context["parent"])
    empty = "" if all(mask.any() for mask in rated) else "a window has no rating"
    general = empty or (f"old persona: {unread}" if unread else "")
    old, rescored = errors(context["parent"]), errors(context["parent"] + RESCORED_SUFFIX)
    candidates = [errors(names[text]) for text in texts]
    return Gains(
        context=context,
        texts=tuple(texts),
        old=tuple(old),
        gains=tuple(
            old[w] - np.array([errors[w] for errors in candidates]).reshape(len(texts), len(old[w])) for w in range(3)
        ),
        rescored=tuple(old[w] - rescored[w] for w in range(3)),
        failure=general,
        failures=tuple(general or failure(names[text]) for text in texts),
    )


def reward_windows(context: Row) -> list[tuple[int, Sequence[Row]]]:
    """The windows that a reward is computed on, with their numbers: previous, current and future."""
    k = context["k"]
    return [(k - 1, context["windows"][-2]), (k, context["windows"][-1]), (k + 1, context["future"])]


def window_means(windows: Sequence[Floats], items: slice = slice(None)) -> Floats:
    """Mean gain of each window over its rated items.

    Args:
        windows: Gains in the previous, current and future window; shape (…, items) each.
        items: The items to use; all by default.

    Returns:
        r_prev, r_curr and r_fut; shape (…, 3); NaN where none of the items is rated or the prediction failed.
    """
    chosen = [window[..., items] for window in windows]
    counts = [np.isfinite(window).sum(axis=-1) for window in chosen]
    means = [np.nansum(w, axis=-1) / np.where(n > 0, n, np.nan) for w, n in zip(chosen, counts, strict=True)]
    return np.stack(means, axis=-1)


def text_names(context: Row, directions: Sequence[Row]) -> dict[str, str]:
    """Ids by text: the old persona with `RESCORED_SUFFIX`, then for each other text its first direction."""
    names = {context["persona"]: context["parent"] + RESCORED_SUFFIX}
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
