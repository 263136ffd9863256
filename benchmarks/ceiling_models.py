"""From features to a distribution over the scale, for `ceiling.py`: the mean of two models of different kinds.

Gradient boosting (LightGBM) finds interactions, a multinomial logistic regression (scikit-learn) extrapolates. Both are
kept small, because a rating is mostly noise. Their sizes were chosen on validation users.
"""

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]

TREES = 150
ENSEMBLE = 4
"""Boosted models with different samples, to average the chance of the samples out."""
BOOSTING = {
    "objective": "multiclass",
    "learning_rate": 0.04,
    "num_leaves": 7,
    "min_data_in_leaf": 80,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "deterministic": True,
    "force_row_wise": True,
    # Threads that wait for each other take minutes instead of seconds where other programs run.
    "num_threads": 1,
    "verbose": -1,
}
INVERSE_PENALTY = 0.02
ITERATIONS = 300


def predicted(known: Floats, rated: NDArray[np.int64], asked: Floats, labels: int, seed: int) -> Floats:
    """Fit both models, and return distributions.

    Args:
        known: Features of the ratings to fit on, NaN where there is no such thing; shape (rows, features).
        rated: Their labels, from 0; shape (rows,).
        asked: Features of the ratings to predict; shape (others, features).
        labels: Number of labels.
        seed: Seed of the samples.

    Returns:
        Shape (others, labels); each row sums to 1.
    """
    settings = BOOSTING | {"num_class": labels}
    boosted = [
        np.asarray(lightgbm.train(settings | {"seed": seed + n}, lightgbm.Dataset(known, rated), TREES).predict(asked))
        for n in range(ENSEMBLE)
    ]
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=ITERATIONS))
    regression.fit(np.nan_to_num(known), rated)
    linear = np.zeros((len(asked), labels))
    linear[:, regression[-1].classes_] = regression.predict_proba(np.nan_to_num(asked))
    return (np.mean(boosted, axis=0) + linear) / 2
