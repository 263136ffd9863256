"""Calibration: one small map per predictor, from its distribution to the ratings that users really give.

Takes uncalibrated predictions, returns calibrated ones. With p the readout's distribution, m its mean over the
calibration ratings and c the distribution of those ratings, the calibrated distribution is

    q_j ∝ c_j · (p_j / m_j)^b

At b = 0 it is the domain's own distribution of ratings. At b = 1 it is the readout with its habitual bias replaced by
c: contextual calibration (Zhao et al. 2021, arXiv 2102.09690) with the true base rate put back. b is the only free
number; the fit takes the one with the lowest CRPS. The point is the median of q.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.behaviour.users import Windows, key_of
from deeper.domains import Domain
from deeper.measure.metrics import crps, weighted_median
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PREDICTION

Floats = NDArray[np.float64]

ROWS_AT_ONCE = 1000
"""Predictions that are calibrated at a time: as Python numbers they take ten times the memory of the table."""


@dataclass(frozen=True)
class Map:
    """One calibration map on a scale.

    Attributes:
        base: Distribution of the calibration ratings; shape (labels,), sums to 1.
        mean: Mean readout over the same ratings; shape (labels,), sums to 1.
        exponent: b.
        ratings: Number of ratings it was fitted on.
    """

    base: tuple[float, ...]
    mean: tuple[float, ...]
    exponent: float
    ratings: int

    def apply(self, distribution: Floats) -> Floats:
        """Calibrate distributions; shape (items, labels) in and out."""
        return _apply(distribution, np.array(self.base), np.array(self.mean), self.exponent)


@dataclass(frozen=True)
class Calibration:
    """One map for each domain, and a pooled one for domains without train users.

    Attributes:
        domains: Map by id of each domain that has calibration ratings.
        pooled: Map on `calibration_cells` cells of the normalised scale; None if no domain has calibration ratings.
    """

    domains: Mapping[str, Map]
    pooled: Map | None

    def find(self, domain: Domain) -> tuple[str, Map | None]:
        """Where a domain's map comes from ("domain", "pooled" or "off"), and the map."""
        if domain.id in self.domains:
            return "domain", self.domains[domain.id]
        if self.pooled is None:
            return "off", None
        count = len(domain.scale.values)
        base, mean = (tuple(regrid(np.array(part), count)) for part in (self.pooled.base, self.pooled.mean))
        return "pooled", Map(base, mean, self.pooled.exponent, self.pooled.ratings)

    def calibrate(self, table: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
        """Calibrate `PREDICTION` rows; failed predictions stay unchanged."""
        maps = {name: self.find(domain) for name, domain in domains.items()}
        parts = [PREDICTION.empty_table()]
        for start in range(0, table.num_rows, ROWS_AT_ONCE):
            rows: list[dict[str, Any]] = table.slice(start, ROWS_AT_ONCE).to_pylist()
            for row in rows:
                origin, domain_map = maps[row["domain"]]
                if domain_map is not None and not row["failure"]:
                    distribution = domain_map.apply(np.array(row["distribution"], np.float64))
                    row["distribution"] = distribution.tolist()
                    row["points"] = weighted_median(distribution, domains[row["domain"]].scale.values).tolist()
                    row["calibrated"] = origin
            parts.append(pa.Table.from_pylist(rows, schema=PREDICTION))
        return pa.concat_tables(parts).combine_chunks()


UNCALIBRATED = Calibration({}, None)
"""Leaves predictions unchanged."""


class Calibrator(Protocol):
    """Calibrates predictions: not at all, or by maps for each domain, for each fold of users or for each predictor."""

    def calibrate(self, table: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
        """Calibrate `PREDICTION` rows; failed predictions stay unchanged."""
        ...


def fit(samples: Sequence[tuple[Domain, Floats, Floats]]) -> Calibration:
    """Fit a map for each domain, and the pooled one.

    Args:
        samples: For each domain the readouts (ratings, labels) and the actual ratings (ratings,) of train users'
            W_1 predicted from S_0, without unrated items.
    """
    samples = [sample for sample in samples if len(sample[2])]
    maps = {domain.id: _fit_one(domain, readouts, ratings) for domain, readouts, ratings in samples}
    if not samples:
        return Calibration({}, None)
    cells = [_normalised(maps[domain.id]) for domain, _, _ in samples]
    base, mean = (np.mean([pair[i] for pair in cells], axis=0) for i in (0, 1))
    exponent = _best_exponent([(p, y, domain.scale.values, base, mean) for domain, p, y in samples])
    count = sum(domain_map.ratings for domain_map in maps.values())
    return Calibration(maps, Map(tuple(base.tolist()), tuple(mean.tolist()), exponent, count))


def _apply(distribution: Floats, base: Floats, mean: Floats, exponent: float) -> Floats:
    weights = base * ((distribution + RECIPE.calibration_epsilon) / (mean + RECIPE.calibration_epsilon)) ** exponent
    return weights / weights.sum(axis=-1, keepdims=True)


def _fit_one(domain: Domain, readouts: Floats, ratings: Floats) -> Map:
    base, mean = smoothed_shares(ratings, domain), readouts.mean(axis=0)
    exponent = _best_exponent([(readouts, ratings, domain.scale.values, base, mean)])
    return Map(tuple(base.tolist()), tuple(mean.tolist()), exponent, len(ratings))


def _best_exponent(parts: Sequence[tuple[Floats, Floats, Floats, Floats, Floats]]) -> float:
    """The exponent with the lowest CRPS, as a share of the scale's range; of equal ones the smallest."""

    def loss(exponent: float) -> float:
        losses = [
            np.mean(crps(_apply(p, _on_labels(base, p), _on_labels(mean, p), exponent), values, y)) / np.ptp(values)
            for p, y, values, base, mean in parts
        ]
        return float(np.mean(losses))

    largest, step = RECIPE.calibration_exponents
    exponents = np.round(np.arange(0, largest + step / 5, step), 2)
    return float(min(exponents, key=lambda exponent: (round(loss(float(exponent)), 9), exponent)))


def _on_labels(cells: Floats, distribution: Floats) -> Floats:
    """Cells as masses on the distribution's labels; unchanged where there are as many."""
    count = distribution.shape[-1]
    return cells if len(cells) == count else regrid(cells, count)


def _normalised(domain_map: Map) -> tuple[Floats, Floats]:
    """A map's base and mean on cells of the normalised scale."""
    base, mean = (regrid(np.array(part), RECIPE.calibration_cells) for part in (domain_map.base, domain_map.mean))
    return base, mean


def regrid(masses: Floats, count: int) -> Floats:
    """Move masses from equal cells of [0, 1] to `count` equal cells, each spread evenly over its cell."""
    cumulative = np.concatenate([[0.0], np.cumsum(masses)])
    edges = np.interp(np.linspace(0, 1, count + 1), np.linspace(0, 1, len(masses) + 1), cumulative)
    return np.diff(edges)


def smoothed_shares(ratings: Floats, domain: Domain) -> Floats:
    """The share of each label among a domain's ratings, shape (labels,); never 0."""
    counts = np.bincount(domain.scale.index(ratings), minlength=len(domain.scale.values))
    smoothed = counts + RECIPE.calibration_pseudo_count
    return smoothed / smoothed.sum()


def fit_calibration(predictions: pa.Table, windows: Windows, domains: Mapping[str, Domain]) -> Calibration:
    """Fit the maps on uncalibrated `PREDICTION` rows of one predictor, without failures and unrated items."""
    readouts: dict[str, list[Any]] = {}
    ratings: dict[str, list[float]] = {}
    for row in predictions.to_pylist():
        if not row["failure"]:
            window = windows[key_of(row)][row["k"]]
            readouts.setdefault(row["domain"], []).extend(row["distribution"])
            ratings.setdefault(row["domain"], []).extend(item["rating"] for item in window)
    samples: list[tuple[Domain, Any, Any]] = []
    for name in sorted(readouts):
        actual = np.array(ratings[name])
        rated = domains[name].is_rated(actual)
        samples.append((domains[name], np.array(readouts[name])[rated], actual[rated]))
    return fit(samples)
