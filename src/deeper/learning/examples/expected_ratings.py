"""How users with the same facts rate an item: a multinomial logistic regression for each domain.

A single rating is mostly chance, which drowns what a persona says. The mean over all users with the same facts is the
expectation alone. Few users have exactly the same facts, so a regression stands in for that mean. It also takes the
item's standing (`item_standing`), so a predictor learns which titles are liked.

`deeper.learning.training.fit_expected_ratings` fits the coefficients, with PyTorch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Scale
from deeper.learning.describer.facts import Facts

Floats = NDArray[np.float64]

FactSet = Literal["all", "median", "nothing"]
"""The facts that a persona states."""
FACT_SETS: tuple[FactSet, ...] = get_args(FactSet)


@dataclass(frozen=True)
class RatedItems:
    """The facts known of a user, and some items with the ratings that the user then gave.

    Attributes:
        known: The facts.
        items: Features of the items (`ItemStandings.features`); shape (items, 2).
        shares: The ratings as distributions over the labels; shape (items, labels).
    """

    known: Facts
    items: Floats
    shares: Floats


@dataclass(frozen=True)
class ExpectedRatings:
    """The fitted regressions of one domain.

    Attributes:
        scale: The domain's scale.
        coefficients: One regression for each set of facts; shape (features, labels) each.
    """

    scale: Scale
    coefficients: dict[FactSet, Floats]

    def predict(self, known: Facts, items: Floats, stated: FactSet = "all") -> Floats:
        """Distributions over the labels that users with these facts give to items.

        Args:
            known: The facts.
            items: Features of the items (`ItemStandings.features`); shape (items, 2).
            stated: The facts to use.

        Returns:
            Shape (items, labels); each row sums to 1.
        """
        logits = regression_inputs(known, items, self.scale, stated) @ self.coefficients[stated]
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)


Fit = Callable[[Sequence[RatedItems], Scale], ExpectedRatings]
"""Fits the regressions of a domain."""


def regression_inputs(known: Facts, items: Floats, scale: Scale, stated: FactSet) -> Floats:
    """The regression's inputs, one row an item; the kind of an item counts only if all facts are stated."""
    level = (known.median - scale.minimum) / (scale.maximum - scale.minimum) - 0.5
    standing, kinds = items[:, :1], items[:, 1:]
    if stated == "nothing":
        return np.hstack([np.ones((len(items), 1)), standing])
    own = [1.0, level, level**2]
    if stated == "all":
        others = (known.lean, known.best, known.worst, known.spread, known.drift or 0.0)
        own += [*others, level * known.spread, level * known.lean]
    repeated = np.tile(own, (len(items), 1))
    return np.hstack([repeated, standing, standing * level, *([kinds] if stated == "all" else [])])
