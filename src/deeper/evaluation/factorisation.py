"""Matrix factorisation as a Bayesian factorisation machine, by the library myfm (extra `baselines`).

A score is the sum of a level, a weight of the user, a weight of the item and the product of their factors; normal noise
and ordered cut points turn it into a rating (ordered probit), so the prediction is a distribution over the scale. It is
the mean over Gibbs samples, so there is no learning rate and no regularisation to choose. Users and items have their
own variances. With users and items alone this is Bayesian probabilistic matrix factorisation (Salakhutdinov and Mnih,
2008). Sources: Rendle (2010), Factorization machines; Freudenthaler, Schmidt-Thieme and Rendle (2011), Bayesian
factorization machines; Albert and Chib (1993), Bayesian analysis of binary and polychotomous response data. Myfm
samples on one thread; its wheels cover the Pythons that we support and need neither a system library nor torch.
"""

import importlib
import io
from collections.abc import Mapping
from contextlib import redirect_stderr
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.errors import install_extra
from deeper.evaluation.recipe import RECIPE
from deeper.evaluation.visible import Visible

Floats = NDArray[np.float64]


class NotAvailable(Exception):
    """A baseline that cannot be computed here; the message is the reason that the report shows."""


def matrix_factorisation(visible: Visible, seed: int) -> list[Floats]:
    """Predict W_{t+1} from a factorisation of all ratings so far.

    The weight of an unseen user or item is drawn from what the others' weights show, so its mean is theirs.

    Args:
        visible: The ratings that may be seen.
        seed: Seed of the Gibbs sampler.

    Returns:
        For each of `visible.users`, shares of the scale's values, shape (items, labels); a value that nobody gave has
        the share 0.

    Raises:
        NotAvailable: The library is not installed, or there is no rating to fit on.
    """
    if len(visible.rating) == 0:
        raise NotAvailable("no rating to fit on")
    myfm, sparse = _libraries()
    users, items = _columns(visible.user), _columns(visible.item)
    sizes = [len(users) + 1, len(items) + 1]

    def one_hot(user: NDArray[np.int64], item: NDArray[np.int64]) -> Any:
        """The matrix (ratings, users + items); all unseen users share the last column of users, and so do items."""
        columns = [users.get(code, len(users)) for code in user.tolist()]
        columns += [sizes[0] + items.get(code, len(items)) for code in item.tolist()]
        rows = np.tile(np.arange(len(user)), 2)
        return sparse.csr_matrix((np.ones(len(columns)), (rows, columns)), shape=(len(user), sum(sizes)))

    lengths = [len(codes) for codes in visible.next_items]
    next_users = np.repeat(np.arange(len(visible.users)), lengths)
    next_items = np.concatenate([*visible.next_items, np.empty(0, np.int64)])
    given, ranks = np.unique(visible.domain.scale.index(visible.rating), return_inverse=True)
    shares = np.zeros((len(next_items), len(visible.domain.scale.values)))
    if len(given) == 1:
        shares[:, given] = 1
    elif len(next_items):
        model = myfm.MyFMOrderedProbit(rank=RECIPE.factorisation_rank, random_seed=seed)
        # The library cannot turn its progress bar off.
        with redirect_stderr(io.StringIO()):
            model.fit(
                one_hot(visible.user, visible.item),
                ranks,
                n_iter=RECIPE.factorisation_iterations,
                group_shapes=sizes,
            )
        shares[:, given] = model.predict_proba(one_hot(next_users, next_items))
    return np.split(shares, np.cumsum(lengths)[:-1]) if lengths else []


def _columns(codes: NDArray[np.int64]) -> Mapping[int, int]:
    """The column of each code, in the order of the ratings; unseen users and items have codes, but no own column."""
    return {code: column for column, code in enumerate(dict.fromkeys(codes.tolist()))}


def _libraries() -> tuple[ModuleType, ModuleType]:
    """The library and scipy's sparse matrices; imported late, since the import takes a second."""
    try:
        return importlib.import_module("myfm"), importlib.import_module("scipy.sparse")
    except ImportError as error:
        raise NotAvailable(f"{error}; {install_extra('baselines')}") from error
