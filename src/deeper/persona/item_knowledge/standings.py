"""The standing of items: how others rate them, compared with what these others usually give.

A rating deviates from the running level of its user: the mean of that user's ratings up to the same window. With d the
sum of the deviations of an item's n ratings, and e what its words and categories suggest (`title_effects`),

    standing = (d + s·e) / (n + s)

as if s more ratings deviated by e. An item that nobody has rated has the standing e. Items with equal titles are one
item, since a prompt tells them apart by nothing else. The ratings of the user who is judged are always left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.persona.item_knowledge.standing_words import Standing, beside_title
from deeper.persona.item_knowledge.title_effects import Effects, TitleEffects, item_features
from deeper.persona.prompts.item_lines import Item
from deeper.persona.recipe import RECIPE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FITS_KEPT = 256
"""Users whose regressions are kept: a user's predictions come one after another."""


@dataclass(frozen=True)
class GivenRatings:
    """Ratings that may be seen, without those that mean "no rating".

    Attributes:
        users: Ids of users.
        titles: Different titles of items, of which some may have no rating.
        categories: The categories of each title.
        user: Who gave each rating, as a position in `users`; shape (ratings,).
        title: Which title it is of, as a position in `titles`; shape (ratings,).
        window: k of each rating; shape (ratings,).
        rating: The ratings, in units of the scale; shape (ratings,).
    """

    users: Sequence[str]
    titles: Sequence[str]
    categories: Sequence[Sequence[str]]
    user: Integers
    title: Integers
    window: Integers
    rating: Floats


class Standings:
    """The standings of a domain's items, as other users see them."""

    def __init__(self, given: GivenRatings, domain: Domain) -> None:
        """Compute the deviation of each rating."""
        deviation = deviations(given.user, given.window, given.rating)
        deviation /= domain.scale.maximum - domain.scale.minimum
        size = len(given.titles)
        self._title_of = {title: code for code, title in enumerate(given.titles)}
        self._categories = given.categories
        described = zip(given.titles, given.categories, strict=True)
        features = [item_features(title, tuple(categories)) for title, categories in described]
        self._counts = np.bincount(given.title, minlength=size)
        self._sums = np.bincount(given.title, weights=deviation, minlength=size).astype(np.float64)
        order = np.argsort(given.user, kind="stable")
        bounds = np.searchsorted(given.user[order], np.arange(len(given.users) + 1))
        self._own = {
            name: (given.title[order[first:last]], deviation[order[first:last]])
            for name, first, last in zip(given.users, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
            if first < last
        }
        most = max((len(titles) for titles, _ in self._own.values()), default=0)
        self._effects = TitleEffects(features, self._counts, self._sums, most)
        self._without = lru_cache(maxsize=FITS_KEPT)(self._leave_out)

    def of(self, items: Sequence[Item], user: str) -> list[Standing | None]:
        """The standing of each item among all users but one.

        Args:
            items: The items.
            user: The id of the user whose own ratings are left out; any other text leaves out none.

        Returns:
            None for all items if nobody else has given a rating.
        """
        own, effects = self._without(user)
        if effects is None:
            return [None for _ in items]
        return [self._standing(item, own, effects) for item in items]

    def words(self, items: Sequence[Item], user: str) -> list[str]:
        """What a prompt says beside the title of each item; arguments as for `of`."""
        described = zip(self.of(items, user), items, strict=True)
        return [beside_title(standing, self._categories_of(item)) for standing, item in described]

    def _categories_of(self, item: Item) -> Sequence[str]:
        """The categories of an item; those of its title where the item itself comes without any."""
        code = self._title_of.get(item["title"])
        return item.get("categories") or (() if code is None else self._categories[code])

    def _standing(self, item: Item, own: Mapping[int, tuple[int, float]], effects: Effects) -> Standing:
        code: int | None = self._title_of.get(item["title"])
        count, total = 0, 0.0
        if code is not None:
            own_count, own_total = own.get(code, (0, 0.0))
            count = int(self._counts[code]) - own_count
            total = float(self._sums[code]) - own_total if count else 0.0
        suggested = effects.suggest(item_features(item["title"], tuple(self._categories_of(item))))
        strength = RECIPE.standing_shrinkage_ratings
        # Sums that leave a user out differ in their last digits from sums that never had that user.
        return Standing(round((total + strength * suggested) / (count + strength), 9), count)

    def _leave_out(self, user: str) -> tuple[dict[int, tuple[int, float]], Effects | None]:
        """A user's own ratings by title (count and sum of deviations), and the regression without them."""
        titles, deviation = self._own.get(user, (np.empty(0, np.int64), np.empty(0)))
        items, place = np.unique(titles, return_inverse=True)
        counts = np.bincount(place, minlength=len(items))
        sums = np.bincount(place, deviation, minlength=len(items)).astype(np.float64)
        own = dict(zip(items.tolist(), zip(counts.tolist(), sums.tolist(), strict=True), strict=True))
        is_alone = len(titles) == self._counts.sum()
        return own, None if is_alone else self._effects.without(items, counts, sums)


def deviations(user: Integers, window: Integers, rating: Floats) -> Floats:
    """How far each rating lies above the mean of its user's ratings up to the same window.

    Args:
        user: Who gave each rating; shape (ratings,).
        window: In which window; shape (ratings,).
        rating: The ratings; shape (ratings,).
    """
    order = np.lexsort((window, user))
    of_user, of_window, total = user[order], window[order], np.cumsum(rating[order])
    first = np.searchsorted(of_user, of_user)
    is_last = np.append((np.diff(of_user) != 0) | (np.diff(of_window) != 0), True)[: len(order)]
    ends = np.flatnonzero(is_last)
    last = ends[np.searchsorted(ends, np.arange(len(order)))]
    before = np.where(first > 0, total[first - 1], 0.0)
    found = np.empty(len(order))
    found[order] = rating[order] - (total[last] - before) / (last - first + 1)
    return found


def given_by(users: Mapping[str, Sequence[Sequence[Item]]], domain: Domain) -> GivenRatings:
    """The ratings of users' windows.

    Args:
        users: The windows of each user, from W_0 on.
        domain: Says which ratings mean "no rating".
    """
    titles: dict[str, int] = {}
    categories: list[Sequence[str]] = []
    rows: list[tuple[int, int, int, float]] = []
    for code, windows in enumerate(users.values()):
        for k, window in enumerate(windows):
            for item in window:
                place = titles.setdefault(item["title"], len(titles))
                if place == len(categories):
                    categories.append(item.get("categories") or ())
                rows.append((code, place, k, item["rating"]))
    user, title, window_of, rating = (np.array(column) for column in zip(*rows, strict=True)) if rows else _NO_ROWS
    rated = domain.is_rated(rating.astype(np.float64))
    user, title, window_of = (column[rated].astype(np.int64) for column in (user, title, window_of))
    return GivenRatings(list(users), list(titles), categories, user, title, window_of, rating[rated].astype(np.float64))


_NO_ROWS = tuple(np.empty(0) for _ in range(4))
