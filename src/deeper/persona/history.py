"""Prediction with history: a persona's distribution combined with the user's own past ratings.

With p the persona's calibrated distribution for an item, n the user's ratings in W_0..W_t by label ("counts") and c the
domain's distribution of ratings:

    q ∝ h^α · (p + ε)^β        h = (counts + s·c) / (n + s)

a log-linear pool (Genest and Zidek, 1986, Combining probability distributions) of the persona and of the user's
histogram, shrunk to the domain by the weight of s ratings. (s, α, β) is the point of a grid with the lowest CRPS on
calibration users, who are train users: each of their personas predicts a later window, with the history up to the
window before. With β held at 0 the same fit gives `history_only`: the same shrinkage without a persona. The point is
the median of q.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.behaviour.users import Windows
from deeper.domains import Domain
from deeper.measure.metrics import crps, weighted_median
from deeper.persona.calibration import regrid
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PREDICTION

Floats = NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pool:
    """The fitted combination on one scale.

    Attributes:
        base: c; shape (labels,), sums to 1.
        shrinkage: s, in ratings.
        history: α.
        persona: β.
        ratings: How many ratings it was fitted on.
    """

    base: tuple[float, ...]
    shrinkage: float
    history: float
    persona: float
    ratings: int

    def apply(self, counts: Floats, distribution: Floats) -> Floats:
        """Combine.

        Args:
            counts: The user's past ratings by label, shape (labels,) or (items, labels).
            distribution: The persona's distributions, shape (items, labels).

        Returns:
            q, shape (items, labels).
        """
        weights = self.shrinkage, self.history, self.persona
        return _pool(counts, distribution, np.array(self.base), weights)


@dataclass(frozen=True)
class Pools:
    """Combinations by domain, and one for domains without train users.

    Attributes:
        domains: By domain id.
        pooled: Fitted on all domains together, with c on cells of the normalised scale; None without ratings to fit on.
    """

    domains: Mapping[str, Pool]
    pooled: Pool | None

    def find(self, domain: Domain) -> tuple[str, Pool | None]:
        """The kind ("domain", "pooled" or "off") and the combination for a domain."""
        if domain.id in self.domains:
            return "domain", self.domains[domain.id]
        if self.pooled is None:
            return "off", None
        one, count = self.pooled, len(domain.scale.values)
        base = tuple(regrid(np.array(one.base), count).tolist())
        return "pooled", Pool(base, one.shrinkage, one.history, one.persona, one.ratings)


@dataclass(frozen=True)
class History:
    """What a run with history uses: the combination, and the same shrinkage without a persona (β = 0)."""

    with_persona: Pools
    alone: Pools


@dataclass(frozen=True)
class _Sample:
    """Ratings of one domain's calibration users: past counts and predictions (ratings, labels), and what they gave."""

    domain: Domain
    counts: Floats
    distribution: Floats
    actual: Floats


def fit_history(predictions: pa.Table, windows: Windows, domains: Mapping[str, Domain]) -> History:
    """Fit on calibration users.

    Args:
        predictions: Calibrated `PREDICTION` rows for W_1 and later, from personas as old as those that the fit is
            for; failed ones are left out.
        windows: Their windows.
        domains: By id.
    """
    samples = _samples(predictions, windows, domains)
    return History(_fit(samples, RECIPE.history_persona_weights), _fit(samples, (0.0,)))


def with_history(
    predictions: pa.Table,
    personas: pa.Table,
    windows: Windows,
    history: History,
    domains: Mapping[str, Domain],
) -> pa.Table:
    """Held-out predictions with history, of every persona and control, and of `history_only`.

    Each is of a W_k behind all that its persona has seen, and takes the user's ratings in W_0..W_{k-1}.

    Args:
        predictions: Calibrated `PREDICTION` rows.
        personas: `PERSONA` rows, those of `history_only` among them.
        windows: The users' windows.
        history: What was fitted.
        domains: By id.

    Returns:
        `PREDICTION` rows; failed predictions pass unchanged, a domain without a fit is left out. Rows of
        `history_only` have the readout "none", and in `calibrated` what was fitted: "domain" or "pooled".
    """
    found = {name: history.with_persona.find(domain)[1] for name, domain in domains.items()}
    seen = {row["id"]: row["k"] for row in personas.to_pylist()}
    rows: list[Row] = []
    for row in predictions.to_pylist():
        pool = found[row["domain"]]
        if pool is None or row["k"] <= seen[row["persona_id"]]:
            continue
        if row["failure"]:
            rows.append(row)
        else:
            domain, own = domains[row["domain"]], windows[row["domain"], row["user"]]
            counts = counts_before(own, row["k"], domain)
            rows.append({**row, **_predicted(pool.apply(counts, np.array(row["distribution"], np.float64)), domain)})
    return pa.Table.from_pylist([*rows, *_alone(personas, windows, history.alone, domains)], schema=PREDICTION)


def counts_before(windows: Sequence[Sequence[Row]], k: int, domain: Domain) -> Floats:
    """How often a user gave each label in W_0..W_{k-1}; shape (labels,), ratings that mean "no rating" left out."""
    ratings = np.array([item["rating"] for window in windows[:k] for item in window], np.float64)
    return _histogram(ratings[domain.is_rated(ratings)], domain)


def _alone(personas: pa.Table, windows: Windows, pools: Pools, domains: Mapping[str, Domain]) -> list[Row]:
    rows: list[Row] = []
    for persona in personas.to_pylist():
        if persona["method"] != "history_only":
            continue
        domain, k = domains[persona["domain"]], persona["k"] + 1
        own = windows[persona["domain"], persona["user"]]
        kind, pool = pools.find(domain)
        if pool is not None and k < len(own):
            flat = np.ones((len(own[k]), len(domain.scale.values)))
            names = {"persona_id": persona["id"], "user": persona["user"], "domain": domain.id, "k": k}
            origin = {"readout": "none", "calibrated": kind, "failure": ""}
            rows.append({**names, **_predicted(pool.apply(counts_before(own, k, domain), flat), domain), **origin})
    return rows


def _predicted(distribution: Floats, domain: Domain) -> Row:
    points = weighted_median(distribution, domain.scale.values)
    return {"points": points.tolist(), "distribution": distribution.tolist()}


def _samples(predictions: pa.Table, windows: Windows, domains: Mapping[str, Domain]) -> list[_Sample]:
    parts: dict[str, list[tuple[Floats, Floats, Floats]]] = {}
    for row in predictions.to_pylist():
        if row["failure"] or row["k"] == 0:
            continue
        domain, own = domains[row["domain"]], windows[row["domain"], row["user"]]
        actual = np.array([item["rating"] for item in own[row["k"]]], np.float64)
        rated = domain.is_rated(actual)
        counts = np.tile(counts_before(own, row["k"], domain), (int(rated.sum()), 1))
        distribution = np.array(row["distribution"], np.float64)[rated]
        parts.setdefault(domain.id, []).append((counts, distribution, actual[rated]))
    samples = [
        _Sample(domains[name], *(np.concatenate(column) for column in zip(*parts[name], strict=True)))
        for name in sorted(parts)
    ]
    return [sample for sample in samples if len(sample.actual)]


def _fit(samples: Sequence[_Sample], persona_weights: Sequence[float]) -> Pools:
    if not samples:
        return Pools({}, None)
    pools: dict[str, Pool] = {}
    bases: list[Floats] = []
    for sample in samples:
        counts = _histogram(sample.actual, sample.domain) + 0.5
        base = counts / counts.sum()
        weights = _best(partial(_loss, sample, base), persona_weights)
        pools[sample.domain.id] = Pool(tuple(base.tolist()), *weights, ratings=len(sample.actual))
        bases.append(base)
    cells = np.mean([regrid(base, RECIPE.calibration_cells) for base in bases], axis=0)

    def loss(weights: tuple[float, float, float]) -> float:
        pairs = [(sample, regrid(cells, len(sample.domain.scale.values))) for sample in samples]
        return float(np.mean([_loss(sample, base, weights) for sample, base in pairs]))

    count = sum(len(sample.actual) for sample in samples)
    return Pools(pools, Pool(tuple(cells.tolist()), *_best(loss, persona_weights), ratings=count))


def _best(
    loss: Callable[[tuple[float, float, float]], float], persona_weights: Sequence[float]
) -> tuple[float, float, float]:
    """The (s, α, β) of least loss; of equal ones the least β, then the least α, then the least s."""
    grid = product(RECIPE.history_shrinkages, RECIPE.history_weights, persona_weights)
    return min(grid, key=lambda weights: (round(loss(weights), 9), *reversed(weights)))


def _loss(sample: _Sample, base: Floats, weights: tuple[float, float, float]) -> float:
    """Mean CRPS, as a share of the scale's range."""
    values = sample.domain.scale.values
    pooled = _pool(sample.counts, sample.distribution, base, weights)
    return float(crps(pooled, values, sample.actual).mean() / np.ptp(values))


def _pool(counts: Floats, distribution: Floats, base: Floats, weights: tuple[float, float, float]) -> Floats:
    shrinkage, history, persona = weights
    shrunk = (counts + shrinkage * base) / (counts.sum(axis=-1, keepdims=True) + shrinkage)
    # Plain powers, since a weight of 0 must leave its part out, and one-hot distributions must stay finite.
    pooled = shrunk**history * (distribution + RECIPE.calibration_epsilon) ** persona
    return pooled / pooled.sum(axis=-1, keepdims=True)


def _histogram(ratings: Floats, domain: Domain) -> Floats:
    scale = domain.scale
    return np.bincount(scale.index(ratings), minlength=len(scale.values)).astype(np.float64)
