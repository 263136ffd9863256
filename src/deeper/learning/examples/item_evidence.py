"""What is known of an item: how other users have rated it, and whether a persona tells of its kind."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.learning.describer.facts import Facts
from deeper.learning.describer.kinds import title_kinds
from deeper.learning.examples.moments import Person

Floats = NDArray[np.float64]

LEAST = 3
"""Ratings by other users that a title needs before anything is known of it."""
SHRINKAGE = 8.0
"""Ratings of no effect that are added to each title. Of 2, 4 and 8 the best on validation users of MovieLens; without
`LEAST`, titles of one rating each made predictions worse where hardly any title comes again."""


class Items:
    """The titles of one domain, as its train users have rated them."""

    def __init__(self, domain: Domain, people: Iterable[Person]) -> None:
        """Collect how each rating deviates from its user's mean, as a share of the scale's range."""
        self._domain = domain
        self._all: defaultdict[str, list[float]] = defaultdict(list)
        self._own: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        span = domain.scale.maximum - domain.scale.minimum
        for person in people:
            items = [item for window in person.windows for item in window]
            ratings = np.array([item["rating"] for item in items], np.float64)
            real = domain.is_rated(ratings)
            mean = float(ratings[real].mean()) if real.any() else 0.0
            for item, rating, is_real in zip(items, ratings.tolist(), real, strict=True):
                if is_real:
                    self._all[item["title"]].append((rating - mean) / span)
                    self._own[person.user, item["title"]].append((rating - mean) / span)

    def effect(self, title: str, user: str = "") -> float:
        """How other users rate an item above what they usually give; 0 where little is known.

        Args:
            title: Its title.
            user: Whose own ratings do not count.

        Returns:
            The shrunk mean deviation, as a share of the scale's range.
        """
        everyone, own = self._all.get(title, []), self._own.get((user, title), [])
        count = len(everyone) - len(own)
        return (sum(everyone) - sum(own)) / (count + SHRINKAGE) if count >= LEAST else 0.0

    def features(self, known: Facts, titles: Sequence[str], user: str = "") -> Floats:
        """What is known of items for a user.

        Args:
            known: What the user's persona says.
            titles: The items' titles.
            user: Whose own ratings do not count.

        Returns:
            For each item its effect, and 1 for a kind that pleases, −1 for one that disappoints, 0 for both or none;
            shape (titles, 2).
        """

        def told(title: str) -> int:
            kinds = self._kinds_of(title)
            return int(not kinds.isdisjoint(known.pleasing)) - int(not kinds.isdisjoint(known.disappointing))

        return np.array([[self.effect(title, user), told(title)] for title in titles], np.float64).reshape(-1, 2)

    def _kinds_of(self, title: str) -> frozenset[str]:
        """Keys and forms of a title's kinds: personas tell one form of each."""
        kinds = title_kinds(title, self._domain)
        return frozenset([*kinds, *kinds.values()])
