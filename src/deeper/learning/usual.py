"""How users usually rate of whom certain facts are known: for each domain a multinomial logistic regression.

A single rating is what the facts let expect, and much chance, which drowns what a persona says. The mean over all users
with the same facts is the expectation alone; the regression stands for it where few users have the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deeper.domains import Scale
from deeper.learning.facts import Facts

Floats = NDArray[np.float64]

PENALTY = 0.01
"""Weight of the squared coefficients beside the mean log-likelihood of a user's next window."""
ITERATIONS = 200


@dataclass(frozen=True)
class Usual:
    """The regression of one domain; its predictions are distributions over the labels.

    Attributes:
        scale: The domain's scale.
        all_facts: Coefficients with all facts; shape (features, labels).
        median_only: Coefficients with the median alone.
        base: Distribution of all ratings; shape (labels,).
    """

    scale: Scale
    all_facts: Floats
    median_only: Floats
    base: Floats

    def of(self, known: Facts, only_median: bool = False) -> Floats:
        """What is usual of a user of whom these facts are known, or their median alone; shape (labels,)."""
        told = self.median_only if only_median else self.all_facts
        logits = _features(known, self.scale)[: len(told)] @ told
        shares = np.exp(logits - logits.max())
        return shares / shares.sum()


def fit_usual(cases: Sequence[tuple[Facts, Floats]], scale: Scale) -> Usual:
    """Fit the regressions of a domain.

    Args:
        cases: What is known of a user, and the distribution of the next window's ratings; shape (labels,), sums to 1.
        scale: The domain's scale.
    """
    features = np.array([_features(known, scale) for known, _ in cases])
    shares = np.array([found for _, found in cases])
    return Usual(scale, _fit(features, shares), _fit(features[:, :MEDIAN], shares), shares.mean(axis=0))


MEDIAN = 3
"""The first features: those of the median alone."""


def _features(known: Facts, scale: Scale) -> Floats:
    level = (known.median - scale.minimum) / (scale.maximum - scale.minimum) - 0.5
    others = (known.lean, known.best, known.worst, known.spread, known.drift or 0.0)
    return np.array([1.0, level, level**2, *others, level * known.spread, level * known.lean])


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
