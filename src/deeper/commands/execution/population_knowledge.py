"""What other users of a run think of items, round by round (`--item-knowledge population`).

Before W_{t+1} of an eval user, everything counts that the baselines see at round t (`evaluation.visible`) but the
user's own ratings. Of a train user, on whom calibration and history are fitted, only the ratings of the other train
users count: no rating of an eval user may shape a fit.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.users import Key, keys_of
from deeper.commands.execution.shared_settings import ItemKnowledgeSource
from deeper.domains import Domain
from deeper.engine.adapter import load_adapter
from deeper.evaluation.visible import visible_at
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE
from deeper.persona.item_knowledge.standings import GivenRatings, Standings
from deeper.persona.predict import ItemKnowledge, nothing_known

STANDINGS_KEPT = 16
"""Standings of a domain and round that are kept. A run predicts all its domains round after round."""


class PopulationKnowledge:
    """Says what stands beside titles, from the ratings of a run's other users."""

    def __init__(self, windows: pa.Table, domains: Mapping[str, Domain]) -> None:
        """Prepare the ratings.

        Args:
            windows: `WINDOW` rows of all users that may be known of: those that baselines are fitted on.
            domains: By id.
        """
        is_eval = pc.field("split") == "eval"
        self._domains, self._windows, self._train = domains, windows, windows.filter(~is_eval)
        self._eval_users = set(keys_of(windows.filter(is_eval)))
        self._categories = {
            (row["domain"], item["title"]): item["categories"] for row in windows.to_pylist() for item in row["items"]
        }
        self._standings = lru_cache(maxsize=STANDINGS_KEPT)(self._make_standings)

    def __call__(self, key: Key, k: int, items: Sequence[Mapping[str, Any]]) -> list[str]:
        """What to say beside the titles of a user's W_k."""
        domain, user = key
        return self._standings(domain, k - 1 if key in self._eval_users else None).words(items, user)

    def _make_standings(self, domain: str, round: int | None) -> Standings:
        """What is known at a round or, without one, of train users."""
        windows = self._train if round is None else self._windows
        seen = visible_at(windows, self._domains[domain], round or 0)
        kinds = [self._categories[domain, title] for title in seen.titles]
        given = GivenRatings(seen.names, seen.titles, kinds, seen.user, seen.title, seen.window, seen.rating)
        return Standings(given, self._domains[domain])


def item_knowledge_of(source: ItemKnowledgeSource, windows: pa.Table, domains: Mapping[str, Domain]) -> ItemKnowledge:
    """Make what the setting `item_knowledge` asks for; arguments as for `PopulationKnowledge`."""
    return PopulationKnowledge(windows, domains) if source == "population" else nothing_known


def item_knowledge_notes(
    source: ItemKnowledgeSource, windows: pa.Table, domains: Iterable[str], engine: str, adapters: Sequence[str]
) -> list[str]:
    """What readers of the results must know about the item knowledge of a run.

    Args:
        source: The setting `item_knowledge`.
        windows: `WINDOW` rows of all users that may be known of.
        domains: Ids of the domains that are predicted.
        engine: The predictor's engine.
        adapters: Its adapters. Nothing is said of one that a server knows.

    Returns:
        Notes about domains without other users, and about adapters that were trained with other item knowledge.
    """
    users = Counter(domain for domain, _ in set(keys_of(windows)))
    lonely = [domain for domain in domains if users[domain] < 2] if source == "population" else []
    notes = [f"item knowledge: none in {domain}, since no other user's ratings are known" for domain in lonely]
    return notes + adapter_notes(source, engine, adapters)


def adapter_notes(source: ItemKnowledgeSource, engine: str, adapters: Sequence[str]) -> list[str]:
    """Notes about a predictor's adapters that were trained with other item knowledge; see `item_knowledge_notes`."""
    notes: list[str] = []
    for adapter in adapters if not engine.startswith("openai:") else ():
        has_learnt = ITEM_KNOWLEDGE in load_adapter(Path(adapter), needs_card=False).templates
        if source == "population" and not has_learnt:
            notes.append(f"item knowledge: the adapter {adapter} was trained without it, and may use it badly")
        if source == "none" and has_learnt:
            how = "--item-knowledge population gives it"
            notes.append(f"item knowledge: none, but the adapter {adapter} was trained with it; {how}")
    return notes
