"""The ratings of one domain in slots, for `ceiling.py`: who rated what, and whose ratings are predicted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.behaviour.splits import part, some_of_each_domain
from deeper.behaviour.titles import has_title
from deeper.domains import Domain

Floats = NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Ratings:
    """The ratings of users who fit the predictor, and of users whom it is judged on.

    Each user has one slot for each item of W_0, W_1, …, in time order.

    Attributes:
        domain: The domain.
        judged: Whom the predictor is judged on; it is fitted on the others; shape (users,).
        window_size: Slots of a window.
        rating: NaN where a slot holds no rating; shape (users, slots).
        item: Index of each item in `titles`; any where a slot holds no rating; shape (users, slots).
        titles: The title of each item, in lower case; empty if it is unknown.
        categories: The categories of each item, in lower case.
    """

    domain: Domain
    judged: NDArray[np.bool_]
    window_size: int
    rating: Floats
    item: NDArray[np.int64]
    titles: Sequence[str]
    categories: Sequence[frozenset[str]]

    @property
    def is_real(self) -> NDArray[np.bool_]:
        """Which slots hold a rating; shape (users, slots)."""
        return ~np.isnan(self.rating)

    @property
    def fitting_items(self) -> NDArray[np.int64]:
        """The items that users who fit the predictor have rated, ascending."""
        return np.unique(self.item[self.is_real & ~self.judged[:, None]])

    def missing(self) -> str:
        """Return why nothing can be said about this domain; empty if something can."""
        if self.judged.all():
            return "no train users"
        return "" if self.judged.any() else "no users to judge"

    def sizes(self) -> dict[str, int]:
        """Return how many users, ratings and titles there are."""
        counts = self.is_real.sum(axis=1)
        return {
            "fit_users": int((~self.judged).sum()),
            "fit_ratings": int(counts[~self.judged].sum()),
            "users": int(self.judged.sum()),
            "ratings": int(counts[self.judged].sum()),
            "titles": len(self.titles),
            "titles_with_categories": sum(map(bool, self.categories)),
        }


def read_ratings(windows: Iterable[Row], domain: Domain, split: str, most_users: int | None) -> Ratings:
    """Arrange the windows of one domain.

    Args:
        windows: `WINDOW` rows of the domain, sorted by user and k; items may have `categories`.
        domain: The domain.
        split: "validation" fits on the other train users and judges validation users. "eval" fits on all train users
            and judges eval users.
        most_users: Largest number of users on either side, chosen by hash; None for all.
    """
    found: dict[str, list[Sequence[Row]]] = {}
    is_judged: dict[str, bool] = {}
    for row in windows:
        judged = row["split"] == "eval" or (split == "validation" and part(domain.id, row["user"]) == "validation")
        if row["split"] == "train" or split == "eval":
            is_judged[row["user"]] = judged
            found.setdefault(row["user"], []).append(row["items"])
    users = [user for side in (False, True) for user in _some(found, is_judged, side, domain.id, most_users)]
    size = max((len(window) for user in users for window in found[user]), default=0)
    slots = size * max((len(found[user]) for user in users), default=0)
    rating, item = np.full((len(users), slots), np.nan), np.zeros((len(users), slots), np.int64)
    index: dict[str, int] = {}
    titles: list[str] = []
    categories: list[frozenset[str]] = []
    for i, user in enumerate(users):
        for k, window in enumerate(found[user]):
            for j, one in enumerate(window):
                if not domain.is_rated(np.array(one["rating"])):
                    continue
                title = one["title"].casefold() if has_title(one["title"]) else ""
                number = index.setdefault(title or f"\0{one['item']}", len(index))
                if number == len(titles):
                    titles.append(title)
                    categories.append(frozenset())
                categories[number] |= {category.casefold() for category in one.get("categories") or ()}
                rating[i, k * size + j], item[i, k * size + j] = one["rating"], number
    return Ratings(domain, np.array([is_judged[user] for user in users], bool), size, rating, item, titles, categories)


def _some(
    found: Mapping[str, Sequence[object]], is_judged: Mapping[str, bool], side: bool, domain: str, most: int | None
) -> list[str]:
    """The users of one side who have a next window."""
    keys = [(domain, user) for user, windows in found.items() if is_judged[user] is side and len(windows) > 1]
    return [user for _, user in some_of_each_domain(keys, len(keys) if most is None else most)]
