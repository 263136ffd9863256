"""Fits the regressions of `deeper.learning.examples.expected_ratings` by L-BFGS."""

from collections.abc import Sequence

import numpy as np
import torch

from deeper.domains import Scale
from deeper.learning.examples.expected_ratings import (
    FACT_SETS,
    ExpectedRatings,
    FactSet,
    Floats,
    RatedItems,
    regression_inputs,
)
from deeper.learning.training.recipe import PREDICTOR


def fit_expected_ratings(rated: Sequence[RatedItems], scale: Scale) -> ExpectedRatings:
    """Fit the regressions of a domain, one for each set of facts.

    Args:
        rated: What users rated, and what was known of them before.
        scale: The domain's scale.
    """
    shares = np.concatenate([one.shares for one in rated])

    def fitted(stated: FactSet) -> Floats:
        return _fit(np.concatenate([regression_inputs(one.known, one.items, scale, stated) for one in rated]), shares)

    return ExpectedRatings(scale, {stated: fitted(stated) for stated in FACT_SETS})


def _fit(features: Floats, shares: Floats) -> Floats:
    """Coefficients of the likeliest regression, with a penalty on those of the standardised features."""
    # A feature that hardly anyone has must not get a large coefficient from a few ratings.
    scaling = np.maximum(features.std(axis=0), PREDICTOR.least_deviation)
    inputs, wanted = torch.tensor(features / scaling), torch.tensor(shares)
    weights = torch.zeros(inputs.shape[1], wanted.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=PREDICTOR.regression_iterations, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        likelihood = (wanted * (inputs @ weights).log_softmax(dim=1)).sum(dim=1).mean()
        value = PREDICTOR.regression_penalty * weights[1:].square().sum() - likelihood
        value.backward()
        return value

    optimiser.step(loss)
    return weights.detach().numpy() / scaling[:, None]
