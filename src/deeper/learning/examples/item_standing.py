"""What is known of an item: how other train users rate it, and whether a persona names its kind."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.learning.describer.facts import Facts
from deeper.learning.describer.kinds import title_kinds
from deeper.learning.examples.user_windows import UserWindows
from deeper.persona.item_knowledge.standings import Standings, given_by
from deeper.persona.prompts.item_lines import Item

Floats = NDArray[np.float64]


class ItemStandings:
    """The standings of a domain's items among train users (`persona.item_knowledge`)."""

    def __init__(self, domain: Domain, users: Iterable[UserWindows]) -> None:
        """Compute them from all windows of the users."""
        self._domain = domain
        self._standings = Standings(given_by({user.user: user.windows for user in users}, domain), domain)

    def words(self, items: Sequence[Item], user: str) -> tuple[str, ...]:
        """What a prompt says beside the title of each item, without the ratings of this user."""
        return tuple(self._standings.words(items, user))

    def features(self, known: Facts, items: Sequence[Item], user: str = "") -> Floats:
        """Features of items for a user.

        Args:
            known: What the user's persona says.
            items: The items.
            user: The user whose own ratings are left out.

        Returns:
            The standing of each item as a share of the scale's range, and 1 for a kind that pleases, −1 for one that
            disappoints, 0 for both or neither; shape (items, 2).
        """

        def liking(title: str) -> int:
            kinds = self._kinds_of(title)
            return int(not kinds.isdisjoint(known.pleasing)) - int(not kinds.isdisjoint(known.disappointing))

        found = zip(items, self._standings.of(items, user), strict=True)
        rows = [[one.value if one else 0.0, liking(item["title"])] for item, one in found]
        return np.array(rows, np.float64).reshape(-1, 2)

    def _kinds_of(self, title: str) -> frozenset[str]:
        """Keys and forms of a title's kinds; a persona names one form of each."""
        kinds = title_kinds(title, self._domain)
        return frozenset([*kinds, *kinds.values()])


def standings_of(users: Iterable[UserWindows]) -> Mapping[str, ItemStandings]:
    """The standings among users, by the domain's id."""
    by_domain: dict[str, list[UserWindows]] = {}
    for user in users:
        by_domain.setdefault(user.domain.id, []).append(user)
    return {name: ItemStandings(found[0].domain, found) for name, found in by_domain.items()}
