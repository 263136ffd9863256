"""Matrix factorisation, from cornac (extra `baselines`).

Cornac is maintained, has wheels for the Pythons and the numpy we support, and needs no torch for this model:
its `MF` is the biased factorisation of Koren, Bell and Volinsky (2009), Matrix factorization techniques for
recommender systems, in compiled code, on one thread where a seed is given (its threads race).
"""

import importlib
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from deeper.evaluation.visible import Visible

Floats = NDArray[np.float64]

# The library's own settings: on a fifth of the published train users no other choice was better in all
# domains.
FACTORS = 10
EPOCHS = 20
LEARNING_RATE = 0.01
REGULARISATION = 0.02


class NotAvailable(Exception):
    """A baseline that cannot be computed here; the message is the reason, for the table."""


def matrix_factorisation(visible: Visible, seed: int) -> list[Floats]:
    """Predict W_{t+1} from a factorisation of all ratings seen so far.

    An item not seen gets the user's own level (mean and bias); a user not seen likewise.

    Args:
        visible: What may be seen.
        seed: Seed of the first factors and of the order of the ratings.

    Returns:
        For each of `visible.users` the points, shape (items,), clipped to the scale.

    Raises:
        NotAvailable: The library is not installed, or there is no rating to fit on.
    """
    if len(visible.rating) == 0:
        raise NotAvailable("no rating to fit on")
    data_module, models = _library()
    # The library goes through the ratings in their order; sorted by user, the last users would weigh more.
    rows = np.random.default_rng(seed).permutation(_last_of_each_pair(visible))
    data = data_module.Dataset.from_uir(
        list(
            zip(
                visible.user[rows].tolist(),
                visible.item[rows].tolist(),
                visible.rating[rows].tolist(),
                strict=True,
            )
        ),
        seed=seed,
    )
    model = models.MF(
        k=FACTORS,
        max_iter=EPOCHS,
        learning_rate=LEARNING_RATE,
        lambda_reg=REGULARISATION,
        seed=seed,
        verbose=False,
    ).fit(data)
    user_factors, item_factors = np.asarray(model.u_factors), np.asarray(model.i_factors)
    user_bias, item_bias = np.asarray(model.u_biases), np.asarray(model.i_biases)
    scale = visible.domain.scale
    points: list[Floats] = []
    for user, items in enumerate(visible.next_items):
        row = data.uid_map.get(user)
        columns = np.array([data.iid_map.get(item, -1) for item in items.tolist()], np.int64)
        known = columns >= 0
        predicted = np.full(len(items), float(model.global_mean))
        predicted[known] += item_bias[columns[known]]
        if row is not None:
            predicted += float(user_bias[row])
            predicted[known] += item_factors[columns[known]] @ user_factors[row]
        points.append(np.clip(predicted, scale.minimum, scale.maximum))
    return points


def _library() -> tuple[ModuleType, ModuleType]:
    """The library's modules of data and models; imported here, since that takes seconds."""
    try:
        return importlib.import_module("cornac.data"), importlib.import_module("cornac.models")
    except ImportError as error:
        raise NotAvailable(f"{error}; pip install 'deeper-persona[baselines]'") from error


def _last_of_each_pair(visible: Visible) -> NDArray[np.int64]:
    """Rows of the last rating that each user gave each item; the library refuses repeats."""
    pair = visible.user * (visible.item.max() + 1) + visible.item
    _, from_the_end = np.unique(pair[::-1], return_index=True)
    return np.sort(len(pair) - 1 - from_the_end)
