"""What is known of an item: how other users rate it, and whether a persona names its kind."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.learning.describer.facts import Facts
from deeper.learning.describer.kinds import title_kinds
from deeper.learning.examples.recipe import READINGS
from deeper.learning.examples.user_windows import UserWindows

Floats = NDArray[np.float64]


class ItemStandings:
    """The standing of each title of a domain among users: how they rate it relative to what they usually give."""

    def __init__(self, domain: Domain, users: Iterable[UserWindows]) -> None:
        """Collect how each rating deviates from its user's mean, as a share of the scale's range."""
        self._domain = domain
        self._by_title: defaultdict[str, list[float]] = defaultdict(list)
        self._by_user: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        span = domain.scale.maximum - domain.scale.minimum
        for user in users:
            items = [item for window in user.windows for item in window]
            ratings = np.array([item["rating"] for item in items], np.float64)
            real = domain.is_rated(ratings)
            mean = float(ratings[real].mean()) if real.any() else 0.0
            for item, rating, is_real in zip(items, ratings.tolist(), real, strict=True):
                if is_real:
                    self._by_title[item["title"]].append((rating - mean) / span)
                    self._by_user[user.user, item["title"]].append((rating - mean) / span)

    def standing(self, title: str, user: str = "") -> float:
        """The shrunk mean deviation of other users' ratings, as a share of the scale's range; 0 if too few rated it.

        Args:
            title: The item's title.
            user: The user whose own ratings are left out.
        """
        everyone, own = self._by_title.get(title, []), self._by_user.get((user, title), [])
        count = len(everyone) - len(own)
        if count < READINGS.standing_min_ratings:
            return 0.0
        return (sum(everyone) - sum(own)) / (count + READINGS.standing_shrinkage_ratings)

    def features(self, known: Facts, titles: Sequence[str], user: str = "") -> Floats:
        """Features of items for a user.

        Args:
            known: What the user's persona says.
            titles: The items' titles.
            user: The user whose own ratings are left out.

        Returns:
            The standing of each item, and 1 for a kind that pleases, −1 for one that disappoints, 0 for both or
            neither; shape (titles, 2).
        """

        def liking(title: str) -> int:
            kinds = self._kinds_of(title)
            return int(not kinds.isdisjoint(known.pleasing)) - int(not kinds.isdisjoint(known.disappointing))

        return np.array([[self.standing(title, user), liking(title)] for title in titles], np.float64).reshape(-1, 2)

    def _kinds_of(self, title: str) -> frozenset[str]:
        """Keys and forms of a title's kinds; a persona names one form of each."""
        kinds = title_kinds(title, self._domain)
        return frozenset([*kinds, *kinds.values()])
