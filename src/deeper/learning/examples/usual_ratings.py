"""How users usually rate of whom certain facts are known: for each domain a multinomial logistic regression.

A single rating is what the facts let expect, and much chance, which drowns what a persona says. The mean over all users
with the same facts is the expectation alone; the regression stands for it where few users have the same. What other
users think of an item (`deeper.learning.examples.item_evidence`) is a part of it, so that a predictor learns which
titles are liked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from deeper.domains import Scale
from deeper.learning.describer.facts import Facts

Floats = NDArray[np.float64]

PENALTY = 0.01
"""Weight of the squared coefficients beside the mean log-likelihood of a rating."""
ITERATIONS = 200

Told = Literal["all", "median", "nothing"]
"""What a persona tells of the facts."""


@dataclass(frozen=True)
class Case:
    """What is known when a user rates some items.

    Attributes:
        known: The facts.
        items: What is known of the items (`Items.features`); shape (items, 2).
        shares: Their ratings as distributions over the labels; shape (items, labels).
    """

    known: Facts
    items: Floats
    shares: Floats


@dataclass(frozen=True)
class Usual:
    """The regressions of one domain; their predictions are distributions over the labels.

    Attributes:
        scale: The domain's scale.
        coefficients: By what is told; each of the shape (features, labels).
    """

    scale: Scale
    coefficients: dict[Told, Floats]

    def of(self, known: Facts, items: Floats, told: Told = "all") -> Floats:
        """What is usual of a user of whom these facts are known, and of items.

        Args:
            known: The facts.
            items: What is known of the items (`Items.features`); shape (items, 2).
            told: Which of the facts count.

        Returns:
            Shape (items, labels).
        """
        logits = _features(known, items, self.scale, told) @ self.coefficients[told]
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)


def fit_usual(cases: Sequence[Case], scale: Scale) -> Usual:
    """Fit the regressions of a domain, one for each that can be told."""
    shares = np.concatenate([case.shares for case in cases])

    def fitted(told: Told) -> Floats:
        return _fit(np.concatenate([_features(case.known, case.items, scale, told) for case in cases]), shares)

    return Usual(scale, {told: fitted(told) for told in ("all", "median", "nothing")})


def _features(known: Facts, items: Floats, scale: Scale, told: Told) -> Floats:
    """One row for each item; of kinds of items only a persona tells that tells all."""
    level = (known.median - scale.minimum) / (scale.maximum - scale.minimum) - 0.5
    effect, kinds = items[:, :1], items[:, 1:]
    if told == "nothing":
        return np.hstack([np.ones((len(items), 1)), effect])
    own = [1.0, level, level**2]
    if told == "all":
        others = (known.lean, known.best, known.worst, known.spread, known.drift or 0.0)
        own += [*others, level * known.spread, level * known.lean]
    repeated = np.tile(own, (len(items), 1))
    return np.hstack([repeated, effect, effect * level, *([kinds] if told == "all" else [])])


def _fit(features: Floats, shares: Floats) -> Floats:
    """Coefficients of the likeliest regression, with a penalty on those of the standardised features."""
    spread = features.std(axis=0)
    scaling = np.where(spread > 0, spread, 1.0)
    inputs, wanted = torch.tensor(features / scaling), torch.tensor(shares)
    weights = torch.zeros(inputs.shape[1], wanted.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        likelihood = (wanted * (inputs @ weights).log_softmax(dim=1)).sum(dim=1).mean()
        value = PENALTY * weights[1:].square().sum() - likelihood
        value.backward()
        return value

    optimiser.step(loss)
    return weights.detach().numpy() / scaling[:, None]
