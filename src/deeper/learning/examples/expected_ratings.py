"""How users with the same facts rate an item: the teacher of a predictor, without language.

A single rating is mostly chance, which drowns what a persona says. The mean over all users with the same facts is the
expectation alone. Few users have exactly the same facts, so a multinomial logistic regression for each domain stands in
for that mean. It is given what the predictor's prompt says and no more: the facts of the persona, in the same coarse
levels, and the item's standing and kinds (`item_standing`) where the prompt says them.

`deeper.learning.training.fit_expected_ratings` fits the coefficients, with PyTorch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Scale
from deeper.persona.evidence.facts import Facts

Floats = NDArray[np.float64]

FactSet = Literal["all", "median", "nothing"]
"""The facts that a persona states."""
FACT_SETS: tuple[FactSet, ...] = get_args(FactSet)
ITEM_FEATURES = 4
"""What is known of an item: see `item_standing.ItemStandings.features`."""


@dataclass(frozen=True)
class RatedItems:
    """The facts known of a user, and some items with the ratings that the user then gave.

    Attributes:
        known: The facts.
        items: Features of the items (`ItemStandings.features`); shape (items, 4).
        shares: The ratings as distributions over the labels; shape (items, labels).
    """

    known: Facts
    items: Floats
    shares: Floats


@dataclass(frozen=True)
class ExpectedRatings:
    """The fitted regressions of one domain, with or without knowledge of items.

    Attributes:
        scale: The domain's scale.
        coefficients: One regression for each set of facts; shape (features, labels) each.
    """

    scale: Scale
    coefficients: Mapping[FactSet, Floats]

    def predict(self, known: Facts, items: Floats, stated: FactSet = "all") -> Floats:
        """Distributions over the labels that users with these facts give to items.

        Args:
            known: The facts.
            items: Features of the items (`ItemStandings.features`); shape (items, 4).
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
    """The regression's inputs, one row an item; what a persona says of kinds counts only if it states all facts."""
    level = 4 * (known.median - scale.minimum) / (scale.maximum - scale.minimum) - 2
    standing, kinds = items[:, :2], items[:, 2:]
    if stated == "nothing":
        return np.hstack([np.ones((len(items), 1)), standing])
    own = [1.0, level, level**2]
    if stated == "all":
        of_three = [float(known.known == at) for at in (1, 2)]
        levels = [float(fact == at) for fact in (known.spread, known.best, known.worst) for at in (1, 2, 3)]
        own += [*of_three, *levels, float(known.drift), level * known.spread, *(level * one for one in of_three)]
    repeated = np.tile(own, (len(items), 1))
    return np.hstack([repeated, standing, standing * level, *([kinds] if stated == "all" else [])])
