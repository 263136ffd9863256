"""What the other users of a tracker think of items so far (`item_knowledge = "population"`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.users import Key
from deeper.domains import Domain
from deeper.persona.item_knowledge.standings import Standings, given_by
from deeper.tracker.tracked_user import Row, TrackedUser


class LiveKnowledge:
    """Says what stands beside titles, from all events that the tracker has of other users."""

    def __init__(self, users: Mapping[str, TrackedUser], domain: Domain) -> None:
        """Look at users, a mapping that changes as they come and go."""
        self._users, self._domain = users, domain
        self.clear()

    def __call__(self, key: Key, k: int, items: Sequence[Mapping[str, Any]]) -> list[str]:
        """What to say beside the titles; k does not matter, since no event is from the future."""
        del k
        return self._current().words(items, key[1])

    def clear(self) -> None:
        """Forget what was computed; the next call computes it again."""
        self._seen: dict[str, list[Row]] = {}
        self._standings: Standings | None = None

    def _current(self) -> Standings:
        """The standings of now. They stay as long as no user has new events: these come as a new list."""
        seen = {name: tracked.events for name, tracked in self._users.items()}
        is_same = seen.keys() == self._seen.keys() and all(seen[name] is self._seen[name] for name in seen)
        if self._standings is None or not is_same:
            self._seen = seen
            self._standings = Standings(given_by({name: _in_windows(seen[name]) for name in seen}, self._domain),
                                        self._domain)  # fmt: skip
        return self._standings


def _in_windows(events: Sequence[Row]) -> list[Sequence[Row]]:
    """The events by window; the last window may not be full."""
    return [events[start : start + RECIPE.window_size] for start in range(0, len(events), RECIPE.window_size)]
