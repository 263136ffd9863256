"""Predictions against what the users did: one row a user, method, round and role."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.evaluation.baselines import predict
from deeper.evaluation.factorisation import NotAvailable
from deeper.evaluation.schema import ERROR, UPDATERS
from deeper.evaluation.visible import visible_at
from deeper.measure.metrics import crps, mean_absolute_error, rank_accuracy, root_mean_square_error

Floats = NDArray[np.float64]
Actual = Mapping[tuple[str, str, int], Floats]
"""Ratings (items,) of W_k by (domain, user, k), "no rating" included."""
ROWS_AT_ONCE = 4000


class Place(NamedTuple):
    """Where an error stands in the tables."""

    method: str
    round: int
    role: str


class NotAvailableBaseline(NamedTuple):
    """A baseline that could not be computed, and why."""

    method: str
    domain: str
    reason: str


def error_table(
    predictions: pa.Table,
    personas: pa.Table,
    windows: pa.Table,
    domains: Mapping[str, Domain],
    rounds: int,
    predictor: str,
    methods: Collection[str],
    roles: Collection[str],
    search_n: int = 0,
    prediction: str = "persona",
) -> pa.Table:
    """Errors of personas and controls on the eval users' windows.

    A prediction is an error of round t as future (W_{t+1}, held out), current (W_t) or previous (W_{t-1},
    from round 1 on; both in-sample). S_0 is round 0 of every updater, and all
    rounds of `frozen`. The controls are there as future only. Failed
    predictions, short-term personas, and windows in which every rating means "no rating" give no row.

    Args:
        predictions: PREDICTION rows.
        personas: PERSONA rows.
        windows: WINDOW rows; only eval users are evaluated.
        domains: By id.
        rounds: The last round.
        predictor: The engine that predicted, for the table.
        methods: Methods to judge.
        roles: Roles to judge them in.
        search_n: Directions searched for each update; stands with the updaters from round 1 on, 0 with the rest.
        prediction: "persona", or "history" where `predictions` are combined with the user's own ratings.

    Returns:
        ERROR rows, sorted.

    Raises:
        ValueError: A prediction has not one point an item, or misses its persona or window.
    """
    actual = _actual(windows)
    final = personas.filter(pc.field("stage") == "final")
    columns: list[list[Any]] = [final[name].to_pylist() for name in ("id", "domain", "user", "method", "k")]
    versions = {(persona, domain, user): (method, k) for persona, domain, user, method, k in zip(*columns, strict=True)}
    users = {key[:2] for key in actual}

    def rows() -> Iterator[dict[str, Any]]:
        for start in range(0, predictions.num_rows, ROWS_AT_ONCE):
            read = _Predictions(predictions.slice(start, ROWS_AT_ONCE))
            for i, key in enumerate(read.personas):
                _, domain_id, user = key
                if key not in versions or (domain_id, user) not in users or read.failures[i]:
                    continue
                domain, window = domains[domain_id], read.windows[i]
                places = _places(*versions[key], window, rounds)
                places = [place for place in places if place.method in methods and place.role in roles]
                measures = _measures(domain, read.points(i), read.distribution(i), actual[domain_id, user, window])
                if measures:
                    by_model = read.readouts[i] != "none"
                    origin = {
                        **{"readout": read.readouts[i], "calibrated": read.calibrated[i], "prediction": prediction},
                        **{"predictor": predictor if by_model else ""},
                    }
                    yield from _rows(domain_id, user, places, measures, origin, search_n)

    return _sorted(rows())


def baseline_errors(
    windows: pa.Table, domains: Mapping[str, Domain], rounds: int, methods: Sequence[str], seed: int
) -> tuple[pa.Table, list[NotAvailableBaseline]]:
    """Errors of the baselines on the held-out next windows of the eval users.

    Args:
        windows: WINDOW rows of eval users, and of the train users whom baselines may learn from.
        domains: By id.
        rounds: The last round.
        methods: The baselines' names.
        seed: Seed of `matrix_factorisation`.

    Returns:
        ERROR rows, sorted; and what was not available, once a method and domain.
    """
    actual = _actual(windows)
    missing: dict[tuple[str, str], NotAvailableBaseline] = {}
    origin = {"readout": "none", "calibrated": "off", "predictor": "", "prediction": "none"}

    def rows() -> Iterator[dict[str, Any]]:
        for domain in domains.values():
            for t in range(rounds + 1):
                visible = visible_at(windows, domain, t)
                for method in methods if visible.users else ():
                    try:
                        predicted = predict(method, visible, seed)
                    except NotAvailable as reason:
                        missing[method, domain.id] = NotAvailableBaseline(method, domain.id, str(reason))
                        continue
                    for user, points in zip(visible.users, predicted, strict=True):
                        measures = _measures(domain, points, None, actual[domain.id, user, t + 1])
                        if measures:
                            yield from _rows(domain.id, user, [Place(method, t, "future")], measures, origin)

    return _sorted(rows()), list(missing.values())


def count_unrated(windows: pa.Table, domains: Mapping[str, Domain], rounds: int) -> dict[str, int]:
    """How many of the eval users' windows W_0..W_{rounds+1} hold no rating at all, by domain."""
    counts = dict.fromkeys(domains, 0)
    for (domain, _, k), ratings in _actual(windows).items():
        counts[domain] += k <= rounds + 1 and not domains[domain].is_rated(ratings).any()
    return counts


def _places(method: str, k: int, window: int, rounds: int) -> Iterator[Place]:
    """Where the error of S_k of a method on a window stands."""
    if method == "initialise":
        roles = {1: "future", 0: "current"}
        yield from (Place(name, 0, roles[window]) for name in UPDATERS if window in roles)
        steps = (("future", window - 1), ("current", window), ("previous", window + 1))
        yield from (Place("frozen", t, role) for role, t in steps if (role == "previous") <= t <= rounds)
    elif method == "no_persona":
        if 1 <= window <= rounds + 1:
            yield Place(method, window - 1, "future")
    elif k <= rounds and window == k + 1:
        yield Place(method, k, "future")
    elif k <= rounds and method in UPDATERS and window in (k, k - 1):
        yield Place(method, k, "current" if window == k else "previous")


class _Predictions:
    """PREDICTION rows, with their ragged lists as slices of flat arrays."""

    def __init__(self, table: pa.Table) -> None:
        columns = [table[name].to_pylist() for name in ("persona_id", "domain", "user")]
        self.personas: Sequence[Any] = list(zip(*columns, strict=True))
        self.windows: Sequence[Any] = table["k"].to_pylist()
        self.failures: Sequence[Any] = table["failure"].to_pylist()
        self.readouts: Sequence[Any] = table["readout"].to_pylist()
        self.calibrated: Sequence[Any] = table["calibrated"].to_pylist()
        self._points = _flat(table["points"])
        self._item_starts = _starts(table["points"])
        items = pc.list_flatten(table["distribution"])
        self._shares = _flat(items)
        self._row_starts, self._share_starts = _starts(table["distribution"]), _starts(items)

    def points(self, i: int) -> Floats:
        return self._points[self._item_starts[i] : self._item_starts[i + 1]]

    def distribution(self, i: int) -> Floats:
        first, last = self._row_starts[i], self._row_starts[i + 1]
        return self._shares[self._share_starts[first] : self._share_starts[last]].reshape(last - first, -1)


def _measures(domain: Domain, points: Floats, distribution: Floats | None, actual: Floats) -> dict[str, Any]:
    """The measures of a window over its ratings; empty if it has none.

    Items are ranked by their expected rating, since a median tells few of them apart. A point without a
    distribution ranks by itself, and its CRPS is its absolute error.
    """
    if len(points) != len(actual) or (distribution is not None and len(distribution) != len(actual)):
        raise ValueError(f"{len(points)} points for the {len(actual)} items of a window of {domain.id}")
    rated = domain.is_rated(actual)
    if not rated.any():
        return {}
    points, true = points[rated], actual[rated]
    expected = points if distribution is None else distribution[rated] @ domain.scale.values
    mae, rank = mean_absolute_error(points, true), rank_accuracy(expected, true)
    return {
        "mae": mae,
        "rmse": root_mean_square_error(points, true),
        "crps": mae if distribution is None else crps(distribution[rated], domain.scale.values, true).mean(),
        "rank_accuracy": None if np.isnan(rank) else rank,
        "n": len(true),
    }


def _rows(
    domain: str,
    user: str,
    places: Iterable[Place],
    measures: dict[str, Any],
    origin: dict[str, str],
    search_n: int = 0,
) -> list[dict[str, Any]]:
    keys = {"user": user, "domain": domain}
    searched = {place: search_n if place.round and place.method in UPDATERS else 0 for place in places}
    return [{**keys, **place._asdict(), **measures, **origin, "search_n": n} for place, n in searched.items()]


def _sorted(rows: Iterator[dict[str, Any]]) -> pa.Table:
    keys = ("domain", "method", "round", "role", "user")
    parts = [ERROR.empty_table()]
    # As Python rows they would take ten times the memory of the table.
    while some := list(islice(rows, ROWS_AT_ONCE)):
        parts.append(pa.Table.from_pylist(some, schema=ERROR))
    return pa.concat_tables(parts).combine_chunks().sort_by([(key, "ascending") for key in keys])


def _actual(windows: pa.Table) -> dict[tuple[str, str, int], Floats]:
    held = windows.filter(pc.field("split") == "eval")
    ratings = _flat(pc.struct_field(pc.list_flatten(held["items"]), "rating"))
    starts = _starts(held["items"])
    keys = zip(*(held[name].to_pylist() for name in ("domain", "user", "k")), strict=True)
    return {key: ratings[starts[i] : starts[i + 1]] for i, key in enumerate(keys)}


def _flat(column: Any) -> Floats:
    values = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    return values.to_numpy().astype(np.float64)


def _starts(column: Any) -> NDArray[np.int64]:
    lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
    return np.concatenate([[0], np.cumsum(lengths)])
