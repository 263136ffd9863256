"""Matrix factorisation as a Bayesian factorisation machine, from myfm (extra `baselines`).

A rating is the sum of a level, a weight of the user, a weight of the item and the product of their factors;
the mean over Gibbs samples is predicted, so that neither learning rate nor regularisation is chosen. Sources:
Rendle (2010), Factorization machines; Freudenthaler, Schmidt-Thieme and Rendle (2011), Bayesian factorization
machines; for users and items alone it is the model of Salakhutdinov and Mnih (2008), Bayesian probabilistic
matrix factorization using MCMC. Myfm has wheels for the Pythons that we support, which need no library of the
system and no torch, and samples on one thread.
"""

import importlib
import io
from collections.abc import Mapping
from contextlib import redirect_stderr
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.evaluation.visible import Visible

Floats = NDArray[np.float64]

# Of some ranks from 1 to 16 and iterations from 30 to 200, those of least squared error on held-out windows of the
# bundled train users.
RANK = 4
ITERATIONS = 100


class NotAvailable(Exception):
    """A baseline that cannot be computed here; the message is the reason, for the table."""


def matrix_factorisation(visible: Visible, seed: int) -> list[Floats]:
    """Predict W_{t+1} from a factorisation of all ratings seen so far.

    An item not seen gets the user's own level, a user not seen the item's.

    Args:
        visible: What may be seen.
        seed: Seed of the Gibbs sampler.

    Returns:
        For each of `visible.users` the points, shape (items,), clipped to the scale.

    Raises:
        NotAvailable: The library is not installed, or there is no rating to fit on.
    """
    if len(visible.rating) == 0:
        raise NotAvailable("no rating to fit on")
    myfm, sparse = _libraries()
    users = _columns(visible.user)
    items = _columns(visible.item)

    def one_hot(user: NDArray[np.int64], item: NDArray[np.int64]) -> Any:
        """Shape (ratings, users + items); a user or item not seen is all zeros."""
        column = [users.get(code, -1) for code in user.tolist()]
        column += [len(users) + items[code] if code in items else -1 for code in item.tolist()]
        columns, rows = np.array(column), np.tile(np.arange(len(user)), 2)
        known = columns >= 0
        shape = len(user), len(users) + len(items)
        return sparse.csr_matrix((np.ones(known.sum()), (rows[known], columns[known])), shape=shape)

    model = myfm.MyFMRegressor(rank=RANK, random_seed=seed)
    # The library has no setting that turns its progress bar off.
    with redirect_stderr(io.StringIO()):
        model.fit(one_hot(visible.user, visible.item), visible.rating, n_iter=ITERATIONS)
    lengths = [len(codes) for codes in visible.next_items]
    next_users = np.repeat(np.arange(len(visible.users)), lengths)
    predicted = model.predict(one_hot(next_users, np.concatenate([*visible.next_items, np.empty(0, np.int64)])))
    scale = visible.domain.scale
    points = np.clip(np.asarray(predicted, np.float64), scale.minimum, scale.maximum)
    return np.split(points, np.cumsum(lengths)[:-1]) if lengths else []


def _columns(codes: NDArray[np.int64]) -> Mapping[int, int]:
    """The column of each code, in the order of the ratings: codes also count what is not seen."""
    return {code: column for column, code in enumerate(dict.fromkeys(codes.tolist()))}


def _libraries() -> tuple[ModuleType, ModuleType]:
    """The library, and the sparse matrices that it takes; imported here, since that takes a second."""
    try:
        return importlib.import_module("myfm"), importlib.import_module("scipy.sparse")
    except ImportError as error:
        raise NotAvailable(f"{error}; pip install 'deeper-persona[baselines]'") from error
