"""A Gaussian process of a user's ratings, for `ceiling.py`: how much is known of a user after some ratings.

    rating = mean + slope · item effect + level + drift + taste + noise

Level is a constant of the user. Drift decays with the number of items between two ratings (an Ornstein-Uhlenbeck
process). Taste is one process for each likeness: like items get like ratings. The numbers are the likeliest ones on
users who fit the predictor; the gradient of the marginal likelihood is exact. Source: Rasmussen and Williams (2006),
Gaussian processes for machine learning, equations 2.22 to 2.24 and 5.9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Slots = NDArray[np.bool_]

START = {"level": 0.5, "drift": 0.3, "noise": 0.75}
"""Where the search starts, as shares of the ratings' standard deviation."""
START_TASTE = 0.3
START_MEMORY = 12.0
LARGEST_MEMORY = 200.0
ITERATIONS = 40


@dataclass(frozen=True)
class Cases:
    """Users with their ratings.

    Attributes:
        rating: NaN where a slot holds no rating; shape (users, slots).
        effect: What other users think of the item; shape (users, slots).
        likeness: How alike two items are, from 0 to 1, by the name of the likeness; shape (users, slots, slots) each.
    """

    rating: Floats
    effect: Floats
    likeness: Mapping[str, Floats]

    def some(self, users: NDArray[np.int64]) -> "Cases":
        """Return some users."""
        return Cases(self.rating[users], self.effect[users], {name: of[users] for name, of in self.likeness.items()})


@dataclass(frozen=True)
class Process:
    """A process with its numbers.

    Attributes:
        mean: Mean rating.
        slope: How much of an item's effect counts.
        deviations: Standard deviations of level, drift, noise and each likeness, in units of the rating.
        memory: After so many items the drift has decayed to 1/e.
    """

    mean: float
    slope: float
    deviations: Mapping[str, float]
    memory: float = field(default=START_MEMORY)

    def prior(self, cases: Cases) -> Floats:
        """Expected ratings of users of whom nothing is known; shape (users, slots)."""
        return self.mean + self.slope * cases.effect

    def covariance(self, cases: Cases) -> Floats:
        """Covariance of the ratings of each user, without noise; shape (users, slots, slots)."""
        users, slots = cases.rating.shape
        found = np.broadcast_to(
            self.deviations["level"] ** 2 + self.deviations["drift"] ** 2 * np.exp(-_distance(slots) / self.memory),
            (users, slots, slots),
        ).copy()
        for name, likeness in cases.likeness.items():
            if name in self.deviations:
                found += self.deviations[name] ** 2 * likeness
        return found

    def posterior(self, cases: Cases, covariance: Floats, known: Slots, targets: slice) -> tuple[Floats, Floats]:
        """Mean and variance of the ratings of some slots, given others.

        Args:
            cases: The users.
            covariance: Their covariance (`covariance`).
            known: The slots whose ratings are known; shape (users, slots).
            targets: The slots to predict, behind all known ones.

        Returns:
            Shape (users, targets) each; the variance is without noise.
        """
        here, seen = slice(0, targets.stop), known[:, : targets.stop]
        within = covariance[:, here, here] + self.deviations["noise"] ** 2 * np.eye(targets.stop)
        within = np.where(seen[:, :, None] & seen[:, None, :], within, np.eye(targets.stop))
        across = covariance[:, targets, here] * seen[:, None, :]
        prior = self.prior(cases)
        residual = np.where(seen, cases.rating[:, here] - prior[:, here], 0.0)
        solved = np.linalg.solve(within, np.concatenate([residual[..., None], across.swapaxes(1, 2)], axis=2))
        mean = prior[:, targets] + np.einsum("uts,us->ut", across, solved[..., 0])
        own = np.diagonal(covariance[:, targets, targets], axis1=1, axis2=2)
        return mean, np.maximum(own - np.einsum("uts,ust->ut", across, solved[..., 1:]), 0.0)


def fit_process(cases: Cases, likenesses: Sequence[str] = (), with_items: bool = False) -> Process:
    """Return the likeliest process.

    Args:
        cases: Users to fit on.
        likenesses: The likenesses of items that it may use.
        with_items: Whether it may use the items' effects.
    """
    names = (*START, *likenesses)
    spread = float(np.nanstd(cases.rating))
    starts = [np.log(spread * START.get(name, START_TASTE)) for name in names]
    start = np.array([*starts, np.log(START_MEMORY), np.nanmean(cases.rating), float(with_items)])
    bounds = [(np.log(1e-3 * spread), np.log(10 * spread))] * len(names)
    bounds += [(0.0, np.log(LARGEST_MEMORY)), (None, None), (0.0, 3.0 * with_items)]
    found = minimize(
        lambda point: loss_and_gradient(point, names, cases),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": ITERATIONS},
    )
    return _process(found.x, names)


def loss_and_gradient(point: Floats, names: Sequence[str], cases: Cases) -> tuple[float, Floats]:
    """Return the negative log likelihood for each rating, without its constant, and its gradient.

    Args:
        point: Logarithms of the deviations and of the memory, then mean and slope; shape (names + 3,).
        names: The deviations: level, drift, noise and likenesses.
        cases: The users.
    """
    process, real = _process(point, names), ~np.isnan(cases.rating)
    pairs, slots = real[:, :, None] & real[:, None, :], real.shape[1]
    noise = process.deviations["noise"] ** 2 * np.eye(slots)
    inverse_of = np.where(pairs, process.covariance(cases) + noise, np.eye(slots))
    inverse = np.linalg.inv(inverse_of)
    residual = np.where(real, cases.rating - process.prior(cases), 0.0)
    weighed = np.einsum("ust,ut->us", inverse, residual)
    value = 0.5 * (residual * weighed).sum() + 0.5 * np.linalg.slogdet(inverse_of)[1].sum()

    # The derivative along a part of the covariance is half of the sum over its product with this.
    steepness = np.where(pairs, inverse - weighed[:, :, None] * weighed[:, None, :], 0.0)
    total, distance = steepness.sum(axis=0), _distance(slots)
    decay = np.exp(-distance / process.memory)
    along = {"level": total.sum(), "drift": (total * decay).sum(), "noise": np.trace(total)}
    along |= {name: (steepness * of).sum() for name, of in cases.likeness.items() if name in names}
    gradient = [along[name] * process.deviations[name] ** 2 for name in names]
    gradient.append(0.5 * process.deviations["drift"] ** 2 * (total * decay * distance).sum() / process.memory)
    gradient += [-weighed[real].sum(), -(weighed * cases.effect)[real].sum()]
    return value / real.sum(), np.array(gradient) / real.sum()


def _process(point: Floats, names: Sequence[str]) -> Process:
    deviations = dict(zip(names, np.exp(point[: len(names)]).tolist(), strict=True))
    memory, mean, slope = point[len(names) :]
    return Process(float(mean), float(slope), deviations, float(np.exp(memory)))


def _distance(slots: int) -> Floats:
    """How many items apart two slots are; shape (slots, slots)."""
    return np.abs(np.subtract.outer(np.arange(slots), np.arange(slots))).astype(np.float64)
