"""What is known of an item: how other train users rate it, and whether a persona names its kinds."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.learning.examples.user_windows import UserWindows
from deeper.persona.evidence.facts import CLEAR, Facts
from deeper.persona.evidence.kinds import kinds_of
from deeper.persona.item_knowledge.standing_words import standing_step
from deeper.persona.item_knowledge.standings import Standings, given_by
from deeper.persona.prompts.item_lines import Item
from deeper.persona.recipe import RECIPE

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
        """Features of items for a user, where the prompt says what is known of items.

        Args:
            known: What the user's persona says.
            items: The items.
            user: The user whose own ratings are left out.

        Returns:
            The standing of each item as the prompt says it, from −1 (far below) to 1 (far above); the same if many have
            rated it, else 0; the kinds of the item that clearly please, minus those that clearly do not; and the same
            of hedged kinds. Shape (items, 4).
        """
        found = self._standings.of(items, user)
        standings = [standing_step(one.value) if one else 0.0 for one in found]
        many = [bool(one and one.ratings >= RECIPE.standing_many_ratings) for one in found]
        return np.column_stack([standings, np.multiply(standings, many), named_kinds(known, items, self._domain)])


def features_of_titles(known: Facts, items: Sequence[Item], domain: Domain) -> Floats:
    """Features of items of which the prompt says the titles alone; see `ItemStandings.features`."""
    titles = [{"title": item["title"]} for item in items]
    return np.hstack([np.zeros((len(items), 2)), named_kinds(known, titles, domain)])


def named_kinds(known: Facts, items: Sequence[Item], domain: Domain) -> Floats:
    """How many kinds of each item please, minus those that do not: the clear ones, and the hedged ones."""
    strength = {one.name.casefold(): one.strength for one in known.kinds}

    def sums(kinds: Mapping[str, str]) -> tuple[float, float]:
        found = [strength[name] for name in {*kinds, *map(str.casefold, kinds.values())} if name in strength]
        clear = sum(np.sign(one) for one in found if abs(one) == CLEAR)
        return float(clear), float(sum(np.sign(one) for one in found) - clear)

    return np.array([sums(kinds) for kinds in kinds_of(items, domain)], np.float64).reshape(-1, 2)


def standings_of(users: Iterable[UserWindows]) -> Mapping[str, ItemStandings]:
    """The standings among users, by the domain's id."""
    by_domain: dict[str, list[UserWindows]] = {}
    for user in users:
        by_domain.setdefault(user.domain.id, []).append(user)
    return {name: ItemStandings(found[0].domain, found) for name, found in by_domain.items()}
