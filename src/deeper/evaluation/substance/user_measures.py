"""What the persona of one user, method and round holds, and whether the next window agrees with it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deeper.behaviour.users import Key, key_of
from deeper.domains import Domain
from deeper.evaluation.error_table import ROWS_AT_ONCE, PredictionRows, places_of, written_personas
from deeper.evaluation.methods import HISTORY_ONLY, updaters_in
from deeper.evaluation.substance.user_items import Held, Item, UserItems
from deeper.measure.metrics import rank_accuracy
from deeper.persona.predict import ItemKnowledge, nothing_known

Floats = NDArray[np.float64]
NO_TEXT = (HISTORY_ONLY, "no_persona", "raw_history")
"""Controls whose rows hold no description of a taste."""


@dataclass
class UserMeasures:
    """The measures of a method in one round, for one user.

    Attributes:
        held: What the persona holds; None for a control without a text.
        residual: The mean later residual of the kinds that it names (`later_residual`); NaN without one.
        beyond_level: The rank accuracy beyond level (`rank_beyond_level`); NaN without one.
    """

    held: Held | None = None
    residual: float = float("nan")
    beyond_level: float = float("nan")


Place = tuple[str, str, str, int]
"""Domain, user, method, round."""


def rank_beyond_level(expected: Floats, actual: Floats, beside_titles: Sequence[str] | None) -> float:
    """The rank accuracy that neither a level nor a standing explains, 0 to 1; .5 is chance.

    A level is the same for all items of a user, so it ranks none of them. A standing ranks items only where the words
    beside their titles differ. So with item knowledge, only pairs of items with equal words about their standing count.
    Without it, all pairs count, and the measure is the plain rank accuracy.

    Args:
        expected: The expected rating of each rated item of a window, shape (items,).
        actual: Their ratings.
        beside_titles: What the predictor's prompt says beside each title; None without item knowledge.

    Returns:
        NaN if no pair counts.
    """
    standings = None if beside_titles is None else [words.partition(";")[2] for words in beside_titles]
    return rank_accuracy(expected, actual, standings)


def user_measures(
    personas: pa.Table,
    predictions: pa.Table,
    windows: pa.Table,
    domains: Mapping[str, Domain],
    rounds: int,
    methods: Collection[str],
    item_knowledge: ItemKnowledge = nothing_known,
) -> dict[Place, UserMeasures]:
    """Measure all personas and predictions of a run on the held-out next windows.

    Args:
        personas: PERSONA rows.
        predictions: PREDICTION rows, of predictions from the persona alone.
        windows: WINDOW rows; only those of eval users count.
        domains: By id.
        rounds: The last round.
        methods: The methods to include.
        item_knowledge: What the predictor's prompts say beside titles.
    """
    users = _users(windows, domains)
    final = written_personas(personas.filter(pc.field("stage") == "final"))
    rows: list[Any] = final.select(["id", "domain", "user", "method", "k", "text"]).to_pylist()
    updaters = updaters_in(methods)

    def places(row: Mapping[str, Any], window: int) -> list[Place]:
        """The places where a persona is judged on a held-out window."""
        found = places_of(row["method"], row["k"], window, rounds, updaters)
        return [
            (*key_of(row), one.method, one.round) for one in found if one.role == "future" and one.method in methods
        ]

    found: dict[Place, UserMeasures] = {}
    for row in rows:
        if key_of(row) in users and row["method"] not in NO_TEXT:
            user = users[key_of(row)]
            held = user.held(row["text"], row["k"])
            for window in range(row["k"] + 1, len(user.windows)):
                for place in places(row, window):
                    found[place] = UserMeasures(held, user.later_residual(held.kinds, window))
    versions = {(row["id"], *key_of(row)): row for row in rows if key_of(row) in users}
    ranks = _Ranks(users, item_knowledge)
    for start in range(0, predictions.num_rows, ROWS_AT_ONCE):
        batch = PredictionRows(predictions.slice(start, ROWS_AT_ONCE))
        for i, (persona, window) in enumerate(zip(batch.personas, batch.windows, strict=True)):
            judged = places(versions[persona], window) if persona in versions and not batch.failures[i] else []
            if judged and window < len(users[persona[1:]].windows):
                rank = ranks.of(persona[1:], window, batch.distribution(i))
                for place in judged:
                    found.setdefault(place, UserMeasures()).beyond_level = rank
    return found


def _users(windows: pa.Table, domains: Mapping[str, Domain]) -> dict[Key, UserItems]:
    found: dict[Key, dict[int, list[Item]]] = {}
    for row in windows.filter(pc.field("split") == "eval").to_pylist():
        found.setdefault(key_of(row), {})[row["k"]] = row["items"]
    return {
        key: UserItems(domains[key[0]], [own.get(k, []) for k in range(max(own) + 1)]) for key, own in found.items()
    }


class _Ranks:
    """Computes ranks beyond level; what stands beside the titles of a window is asked once."""

    def __init__(self, users: Mapping[Key, UserItems], item_knowledge: ItemKnowledge) -> None:
        def beside_titles(key: Key, k: int) -> Sequence[str] | None:
            return item_knowledge(key, k, users[key].windows[k])

        self._users, self._beside_titles = users, lru_cache(maxsize=ROWS_AT_ONCE)(beside_titles)

    def of(self, key: Key, k: int, distribution: Floats) -> float:
        """The rank accuracy beyond level of predicted distributions (items, labels) of W_k."""
        domain, items = self._users[key].domain, self._users[key].windows[k]
        ratings = np.array([item["rating"] for item in items], np.float64)
        rated = np.flatnonzero(domain.is_rated(ratings)).tolist()
        if not rated:
            return float("nan")
        words = self._beside_titles(key, k)
        beside_titles = None if words is None else [words[place] for place in rated]
        return rank_beyond_level(distribution[rated] @ domain.scale.values, ratings[rated], beside_titles)
