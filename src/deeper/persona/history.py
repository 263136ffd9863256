"""Prediction with history: a persona's distribution combined with the user's own past ratings.

Takes calibrated predictions and windows, returns held-out predictions that also use the ratings so far. With p the
persona's calibrated distribution for an item, "counts" the user's n ratings in W_0..W_t by label, and c the domain's
distribution of ratings:

    q ∝ h^α · (p + ε)^β        h = (counts + s·c) / (n + s)

This is a log-linear pool (Genest and Zidek, 1986, Combining probability distributions) of the persona and of the user's
histogram h, which is shrunk towards the domain as if it held s more ratings. The point is the median of q.

(s, α, β) is the grid point with the lowest CRPS on calibration users, who are train users. For the fit, each of their
personas predicts a later window, with the history up to the window before. The same fit with β = 0 gives
`history_only`: the same shrinkage without a persona.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.behaviour.users import Windows, key_of
from deeper.domains import Domain
from deeper.measure.metrics import crps, weighted_median
from deeper.persona.calibration import regrid, smoothed_shares
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
        history: α, the weight of the histogram.
        persona: β, the weight of the persona.
        ratings: Number of ratings it was fitted on.
    """

    base: tuple[float, ...]
    shrinkage: float
    history: float
    persona: float
    ratings: int

    def apply(self, counts: Floats, distribution: Floats) -> Floats:
        """Combine histograms with a persona's distributions.

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
    """One combination for each domain, and a pooled one for domains without train users.

    Attributes:
        domains: By domain id.
        pooled: Fitted on all domains together, with c on cells of the normalised scale; None without any ratings.
    """

    domains: Mapping[str, Pool]
    pooled: Pool | None

    def find(self, domain: Domain) -> tuple[str, Pool | None]:
        """Where a domain's combination comes from ("domain", "pooled" or "off"), and the combination."""
        if domain.id in self.domains:
            return "domain", self.domains[domain.id]
        if self.pooled is None:
            return "off", None
        base = regrid(np.array(self.pooled.base), len(domain.scale.values))
        return "pooled", replace(self.pooled, base=tuple(base.tolist()))


@dataclass(frozen=True)
class History:
    """The fitted combinations of a run, and the same shrinkage without a persona (β = 0)."""

    with_persona: Pools
    alone: Pools


@dataclass(frozen=True)
class _Sample:
    """What one domain is fitted on: calibration users' ratings, with the history and the prediction of each.

    Attributes:
        domain: The domain.
        counts: The user's ratings before the window, by label; shape (ratings, labels).
        distribution: The persona's distributions; shape (ratings, labels).
        actual: What the user gave; shape (ratings,).
    """

    domain: Domain
    counts: Floats
    distribution: Floats
    actual: Floats


def fit_history(predictions: pa.Table, windows: Windows, domains: Mapping[str, Domain]) -> History:
    """Fit the combinations on calibration users.

    Args:
        predictions: Calibrated `PREDICTION` rows of W_1 and later. Their personas should be as many refinements old
            as those that will use the fit. Failed predictions are left out.
        windows: The users' windows.
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
    """Combine held-out predictions with history, and add those of `history_only`.

    Only predictions of a W_k that comes after all windows of their persona are kept. They use the user's ratings in
    W_0..W_{k-1}.

    Args:
        predictions: Calibrated `PREDICTION` rows, of personas and controls.
        personas: `PERSONA` rows, including those of `history_only`.
        windows: The users' windows.
        history: The fitted combinations.
        domains: By id.

    Returns:
        `PREDICTION` rows. Failed predictions stay unchanged, and a domain without a fit is left out. Rows of
        `history_only` have the readout "none"; their `calibrated` says which fit was used: "domain" or "pooled".
    """
    pools = {name: history.with_persona.find(domain)[1] for name, domain in domains.items()}
    last_seen = {row["id"]: row["k"] for row in personas.to_pylist()}
    rows: list[Row] = []
    for row in predictions.to_pylist():
        pool = pools[row["domain"]]
        if pool is None or row["k"] <= last_seen[row["persona_id"]]:
            continue
        if row["failure"]:
            rows.append(row)
        else:
            domain = domains[row["domain"]]
            counts = counts_before(windows[key_of(row)], row["k"], domain)
            rows.append({**row, **_predicted(pool.apply(counts, np.array(row["distribution"], np.float64)), domain)})
    return pa.Table.from_pylist([*rows, *_alone(personas, windows, history.alone, domains)], schema=PREDICTION)


def counts_before(windows: Sequence[Sequence[Row]], k: int, domain: Domain) -> Floats:
    """How often a user gave each label in W_0..W_{k-1}; shape (labels,). Unrated items are left out."""
    ratings = np.array([item["rating"] for window in windows[:k] for item in window], np.float64)
    labels = domain.scale.index(ratings[domain.is_rated(ratings)])
    return np.bincount(labels, minlength=len(domain.scale.values)).astype(np.float64)


def _alone(personas: pa.Table, windows: Windows, pools: Pools, domains: Mapping[str, Domain]) -> list[Row]:
    """Predictions of `history_only`."""
    rows: list[Row] = []
    for persona in personas.to_pylist():
        if persona["method"] != "history_only":
            continue
        domain, k = domains[persona["domain"]], persona["k"] + 1
        user_windows = windows[key_of(persona)]
        fitted_on, pool = pools.find(domain)
        if pool is not None and k < len(user_windows):
            flat = np.ones((len(user_windows[k]), len(domain.scale.values)))
            distribution = pool.apply(counts_before(user_windows, k, domain), flat)
            names = {"persona_id": persona["id"], "user": persona["user"], "domain": domain.id, "k": k}
            origin = {"readout": "none", "calibrated": fitted_on, "failure": ""}
            rows.append({**names, **_predicted(distribution, domain), **origin})
    return rows


def _predicted(distribution: Floats, domain: Domain) -> Row:
    points = weighted_median(distribution, domain.scale.values)
    return {"points": points.tolist(), "distribution": distribution.tolist()}


def _samples(predictions: pa.Table, windows: Windows, domains: Mapping[str, Domain]) -> list[_Sample]:
    parts: dict[str, list[tuple[Floats, Floats, Floats]]] = {}
    for row in predictions.to_pylist():
        if row["failure"] or row["k"] == 0:
            continue
        domain, user_windows = domains[row["domain"]], windows[key_of(row)]
        actual = np.array([item["rating"] for item in user_windows[row["k"]]], np.float64)
        rated = domain.is_rated(actual)
        counts = np.tile(counts_before(user_windows, row["k"], domain), (int(rated.sum()), 1))
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
        base = smoothed_shares(sample.actual, sample.domain)
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
    """The (s, α, β) with the lowest loss; of equal ones the lowest β, then the lowest α, then the lowest s."""
    grid = product(RECIPE.history_shrinkages, RECIPE.history_weights, persona_weights)
    return min(grid, key=lambda weights: (round(loss(weights), 9), *reversed(weights)))


def _loss(sample: _Sample, base: Floats, weights: tuple[float, float, float]) -> float:
    """The mean CRPS, as a share of the scale's range."""
    values = sample.domain.scale.values
    pooled = _pool(sample.counts, sample.distribution, base, weights)
    return float(crps(pooled, values, sample.actual).mean() / np.ptp(values))


def _pool(counts: Floats, distribution: Floats, base: Floats, weights: tuple[float, float, float]) -> Floats:
    shrinkage, history, persona = weights
    shrunk = (counts + shrinkage * base) / (counts.sum(axis=-1, keepdims=True) + shrinkage)
    # Powers, not logarithms: a weight of 0 must leave its part out, and one-hot distributions must stay finite.
    pooled = shrunk**history * (distribution + RECIPE.calibration_epsilon) ** persona
    return pooled / pooled.sum(axis=-1, keepdims=True)
