"""The windows of one user with the kinds of their items: what a persona holds of them, and what came later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from deeper.domains import Domain
from deeper.evaluation.substance.content import content_of
from deeper.evaluation.substance.read_kinds import named_kinds
from deeper.evaluation.substance.vocabulary import Vocabulary
from deeper.persona.evidence.kinds import kinds_of

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """What the text of a persona holds.

    Attributes:
        kinds: 1 (liked) or −1 (disappointing) by the key of each kind of the user's items so far that it names.
        content: Its content words (`content_of`).
    """

    kinds: Mapping[str, int]
    content: frozenset[str]


@dataclass(frozen=True)
class UserItems:
    """The windows of one user, with the kinds of their items.

    Attributes:
        domain: Their domain.
        windows: The items of W_0, W_1, …
    """

    domain: Domain
    windows: Sequence[Sequence[Item]] = field(repr=False)

    @cached_property
    def kinds(self) -> list[list[Mapping[str, str]]]:
        """The kinds of each item, window by window: the form to show by key."""
        found = iter(kinds_of([item for window in self.windows for item in window], self.domain))
        return [[next(found) for _ in window] for window in self.windows]

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        forms = {key: form for window in self.kinds for kinds in window for key, form in kinds.items()}
        return Vocabulary(forms.items(), self.domain)

    def held(self, text: str, k: int) -> Held:
        """What a text holds; it may name the kinds of the user's items up to W_k."""
        seen = {key for window in self.kinds[: k + 1] for kinds in window for key in kinds}
        named = {key: side for key, side in named_kinds(text, self._vocabulary).items() if key in seen}
        return Held(named, content_of(text, self.domain))

    def later_residual(self, named: Mapping[str, int], k: int) -> float:
        """Whether ratings of W_k point where a text said they would.

        The mean over the items of named kinds of s · (r − m), in units of the rating: r is the item's rating, m the
        user's mean rating in that window, s the stated side (1 or −1). An item with two named kinds counts for each.
        Above 0 the ratings point the stated way. NaN if no item of a named kind has a rating.
        """
        ratings = np.array([item["rating"] for item in self.windows[k]], np.float64)
        rated = self.domain.is_rated(ratings)
        if not rated.any():
            return float("nan")
        over_mean = ratings - ratings[rated].mean()
        signed = [
            named[key] * over_mean[i]
            for i in np.flatnonzero(rated).tolist()
            for key in self.kinds[k][i]
            if key in named
        ]
        return float(np.mean(signed)) if signed else float("nan")
