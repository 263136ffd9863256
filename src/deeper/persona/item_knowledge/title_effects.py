"""What the words and categories of an item suggest about its standing: a ridge regression.

With m the mean deviation of the ratings of each item, n their number and x its words and categories as 0 or 1,

    minimise  Σ w · (m − c − x·β)² + λ · (c² + |β|²)        w = n / (n + s)

over the items that have ratings. c is fitted first, alone. s is the shrinkage of standings, so w is the inverse of m's
variance around its items' own effects, up to a factor (best linear unbiased prediction; Robinson 1991, That BLUP is a
good thing). A word counts if a share of the items has it. Because β has a closed form, the fit without one user is
exact: that user's ratings are taken out of the sums.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deeper.persona.recipe import RECIPE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WORD = re.compile(r"[^\W\d_]{3,}")
YEAR = re.compile(r"\b(1[89]\d|20\d)\d\b")
ITEMS_AT_ONCE = 4096
"""Items whose words are a dense matrix at a time."""


@lru_cache(maxsize=1 << 17)
def item_features(title: str, categories: tuple[str, ...] = ()) -> frozenset[str]:
    """The words of a title in lower case, the decades of its years, and its categories."""
    words = set(WORD.findall(title.lower()))
    words |= {f"{decade}0s" for decade in YEAR.findall(title)}
    return frozenset(words | {f"category {category.casefold()}" for category in categories})


@dataclass(frozen=True)
class Effects:
    """A fitted regression.

    Attributes:
        constant: c, as a share of the scale's range.
        of_feature: β by word or category, in the same unit.
    """

    constant: float
    of_feature: Mapping[str, float]

    def suggest(self, features: frozenset[str]) -> float:
        """The standing that words and categories suggest, as a share of the scale's range."""
        return self.constant + sum(self.of_feature.get(feature, 0.0) for feature in sorted(features))


class TitleEffects:
    """The regression over all items that have ratings, and exactly the same without the ratings of one user."""

    def __init__(self, features: Sequence[frozenset[str]], counts: Integers, sums: Floats, most: int) -> None:
        """Compute the sums that every fit starts from.

        Args:
            features: Words and categories of each item (`item_features`).
            counts: Number of ratings of each item; shape (items,).
            sums: Sum of their deviations, as shares of the scale's range; shape (items,).
            most: No user has rated more items than this.
        """
        self._features, self._counts, self._sums = features, counts, sums
        rated = np.flatnonzero(counts)
        self._items = len(rated)
        support = Counter(feature for item in rated.tolist() for feature in features[item])
        least = _least_support(self._items - most)
        self._names = sorted(feature for feature, items in support.items() if items >= least)
        self._column = {feature: column for column, feature in enumerate(self._names)}
        self._support = np.array([support[feature] for feature in self._names], np.float64)
        weights, targets = _weighed(counts, sums)
        self._weight, self._target = float(weights.sum()), float(targets.sum())
        size = len(self._names)
        self._gram, self._of_weights, self._of_targets = np.zeros((size, size)), np.zeros(size), np.zeros(size)
        for start in range(0, len(rated), ITEMS_AT_ONCE):
            some = rated[start : start + ITEMS_AT_ONCE]
            has = self._matrix(some)
            self._gram += has.T @ (weights[some, None] * has)
            self._of_weights += has.T @ weights[some]
            self._of_targets += has.T @ targets[some]

    def without(self, items: Integers, counts: Integers, sums: Floats) -> Effects:
        """Fit the regression without some ratings.

        Args:
            items: The items that these ratings are of, each once; shape (items,).
            counts: Number of ratings to leave out of each of them.
            sums: Sum of their deviations.
        """
        old = _weighed(self._counts[items], self._sums[items])
        new = _weighed(self._counts[items] - counts, self._sums[items] - sums)
        weights, targets = new[0] - old[0], new[1] - old[1]
        gone = self._counts[items] == counts
        has = self._matrix(items)
        kept = self._support - has[gone].sum(axis=0) >= _least_support(self._items - int(gone.sum()))
        penalty = RECIPE.standing_word_penalty
        constant = (self._target + targets.sum()) / (self._weight + weights.sum() + penalty)
        gram = (self._gram + has.T @ (weights[:, None] * has))[np.ix_(kept, kept)]
        of_targets = self._of_targets + has.T @ targets
        of_weights = self._of_weights + has.T @ weights
        effects = np.linalg.solve(gram + penalty * np.eye(len(gram)), (of_targets - constant * of_weights)[kept])
        names = [name for name, is_kept in zip(self._names, kept.tolist(), strict=True) if is_kept]
        return Effects(float(constant), dict(zip(names, effects.tolist(), strict=True)))

    def _matrix(self, items: Integers) -> Floats:
        """Which words and categories each item has; shape (items, features)."""
        has = np.zeros((len(items), len(self._names)))
        for row, item in enumerate(items.tolist()):
            columns = [self._column[feature] for feature in self._features[item] if feature in self._column]
            has[row, columns] = 1.0
        return has


def _least_support(items: int) -> float:
    """The number of items that must have a word or category for it to count, among so many items."""
    fewest, share = RECIPE.standing_word_support
    return max(fewest, share * items)


def _weighed(counts: Integers, sums: Floats) -> tuple[Floats, Floats]:
    """The weight w of each item, and w · m."""
    shrunk = counts + RECIPE.standing_shrinkage_ratings
    return counts / shrunk, np.where(counts > 0, sums, 0.0) / shrunk
