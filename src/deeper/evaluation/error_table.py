"""Errors of predictions against what the users did: one row a user, method, round and role."""

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
from deeper.evaluation.methods import FROZEN, is_updater, updaters_in
from deeper.evaluation.results_schema import NotAvailableBaseline
from deeper.evaluation.schema import ERROR
from deeper.evaluation.visible import visible_at
from deeper.measure.metrics import crps, mean_absolute_error, rank_accuracy, root_mean_square_error
from deeper.persona.rounds import ROLE_OFFSETS

Floats = NDArray[np.float64]
Actual = Mapping[tuple[str, str, int], Floats]
"""Ratings (items,) of W_k by (domain, user, k), "no rating" included."""
ROWS_AT_ONCE = 4000
"""Rows that are Python objects at the same time; all of them would take ten times the memory of the table."""


class Place(NamedTuple):
    """The place of an error in the tables."""

    method: str
    round: int
    role: str


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

    In round t a prediction counts as future (W_{t+1}, held out), current (W_t) or previous (W_{t-1}, from round 1 on);
    the last two are in-sample. S_0 is round 0 of every updater, and every round of `frozen`. Controls count as future
    only. There is no row for a failed prediction, a short-term persona, a window without any rating, or a persona that
    was never written (`written_personas`).

    Args:
        predictions: PREDICTION rows.
        personas: PERSONA rows.
        windows: WINDOW rows; only eval users are evaluated.
        domains: By id.
        rounds: The last round.
        predictor: The engine that predicted, for the table.
        methods: Methods to include.
        roles: Roles to include.
        search_n: Directions searched for each update; recorded for updaters from round 1 on, 0 for the rest.
        prediction: "persona", or "history" if `predictions` are combined with the user's own ratings.

    Returns:
        ERROR rows, sorted.

    Raises:
        ValueError: A prediction does not have one point an item.
    """
    actual = _actual(windows)
    final = written_personas(personas.filter(pc.field("stage") == "final"))
    columns: list[list[Any]] = [final[name].to_pylist() for name in ("id", "domain", "user", "method", "k")]
    versions = {(persona, domain, user): (method, k) for persona, domain, user, method, k in zip(*columns, strict=True)}
    users = {key[:2] for key in actual}
    updaters = updaters_in(methods)

    def rows() -> Iterator[dict[str, Any]]:
        for start in range(0, predictions.num_rows, ROWS_AT_ONCE):
            batch = PredictionRows(predictions.slice(start, ROWS_AT_ONCE))
            for i, key in enumerate(batch.personas):
                _, domain_id, user = key
                if key not in versions or (domain_id, user) not in users or batch.failures[i]:
                    continue
                domain, window = domains[domain_id], batch.windows[i]
                places = places_of(*versions[key], window, rounds, updaters)
                places = [place for place in places if place.method in methods and place.role in roles]
                measures = _measures(domain, batch.points(i), batch.distribution(i), actual[domain_id, user, window])
                if measures:
                    by_model = batch.readouts[i] != "none"
                    origin = {
                        **{"readout": batch.readouts[i], "calibrated": batch.calibrated[i], "prediction": prediction},
                        **{"predictor": predictor if by_model else ""},
                    }
                    yield from _rows(domain_id, user, places, measures, origin, search_n)

    return _sorted(rows())


def baseline_errors(
    windows: pa.Table, domains: Mapping[str, Domain], rounds: int, methods: Sequence[str], seed: int
) -> tuple[pa.Table, list[NotAvailableBaseline]]:
    """Errors of the baselines on the held-out next windows of the eval users.

    Args:
        windows: WINDOW rows of eval users, and of the train users whose ratings baselines may use.
        domains: By id.
        rounds: The last round.
        methods: The baselines' names.
        seed: Seed of `matrix_factorisation`.

    Returns:
        ERROR rows, sorted; and the baselines that were not available, once for each method and domain.
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
                        missing[method, domain.id] = NotAvailableBaseline(
                            method=method, domain=domain.id, reason=str(reason)
                        )
                        continue
                    for user, own in zip(visible.users, predicted, strict=True):
                        measures = _measures(domain, *own, actual[domain.id, user, t + 1])
                        if measures:
                            yield from _rows(domain.id, user, [Place(method, t, "future")], measures, origin)

    return _sorted(rows()), list(missing.values())


def count_unrated(windows: pa.Table, domains: Mapping[str, Domain], rounds: int) -> dict[str, int]:
    """The number of the eval users' windows W_0..W_{rounds+1} without any rating, by domain."""
    counts = dict.fromkeys(domains, 0)
    for (domain, _, k), ratings in _actual(windows).items():
        counts[domain] += k <= rounds + 1 and not domains[domain].is_rated(ratings).any()
    return counts


def rated_windows(windows: pa.Table, domains: Mapping[str, Domain], rounds: int) -> set[tuple[str, int]]:
    """Domain and number of each window of W_0..W_{rounds+1} that at least one eval user has rated."""
    return {
        (domain, k)
        for (domain, _, k), ratings in _actual(windows).items()
        if k <= rounds + 1 and domains[domain].is_rated(ratings).any()
    }


def written_personas(final: pa.Table) -> pa.Table:
    """Final personas without those that are no result of their method, because calls failed.

    Where a call fails, the older text stays. There is none where the first persona failed. And as long as all updates
    of a method have failed in a domain, its personas are first personas by another name.
    """
    columns: list[list[Any]] = [final[name].to_pylist() for name in ("domain", "method", "k", "failure")]
    has_text: list[Any] = pc.not_equal(final["text"], pa.scalar("")).to_pylist()
    first: dict[tuple[str, str], int] = {}
    for domain, method, k, failure in zip(*columns, strict=True):
        if not failure:
            first[domain, method] = min(k, first.get((domain, method), k))
    is_result = [
        not failure or (has_old_text and first.get((domain, method), k + 1) <= k)
        for domain, method, k, failure, has_old_text in zip(*columns, has_text, strict=True)
    ]
    return final.filter(pa.array(is_result, pa.bool_()))


def places_of(method: str, k: int, window: int, rounds: int, updaters: Sequence[str]) -> Iterator[Place]:
    """The places of the error that S_k of a method has on a window; S_0 is that of all `updaters`."""
    if method == "initialise":
        roles = {1: "future", 0: "current"}
        yield from (Place(name, 0, roles[window]) for name in updaters if window in roles)
        steps = ((role, window - offset) for role, offset in ROLE_OFFSETS.items())
        yield from (Place(FROZEN, t, role) for role, t in steps if (role == "previous") <= t <= rounds)
    elif method == "no_persona":
        if 1 <= window <= rounds + 1:
            yield Place(method, window - 1, "future")
    elif k <= rounds and window == k + 1:
        yield Place(method, k, "future")
    elif k <= rounds and is_updater(method) and window in (k, k - 1):
        yield Place(method, k, "current" if window == k else "previous")


class PredictionRows:
    """PREDICTION rows; their ragged lists are slices of flat arrays."""

    def __init__(self, table: pa.Table) -> None:
        """Flatten the lists of a table."""
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
        """The points of a row; shape (items,)."""
        return self._points[self._item_starts[i] : self._item_starts[i + 1]]

    def distribution(self, i: int) -> Floats:
        """The distributions of a row; shape (items, labels)."""
        first, last = self._row_starts[i], self._row_starts[i + 1]
        return self._shares[self._share_starts[first] : self._share_starts[last]].reshape(last - first, -1)


def _measures(domain: Domain, points: Floats, distribution: Floats | None, actual: Floats) -> dict[str, Any]:
    """The error measures of a window; empty if it holds no rating.

    Items are ranked by their expected rating, since many share a median. A point without a distribution is ranked as it
    is, and its CRPS is its absolute error.
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
    searched = {place: search_n if place.round and is_updater(place.method) else 0 for place in places}
    return [{**keys, **place._asdict(), **measures, **origin, "search_n": n} for place, n in searched.items()]


def _sorted(rows: Iterator[dict[str, Any]]) -> pa.Table:
    keys = ("domain", "method", "round", "role", "user")
    parts = [ERROR.empty_table()]
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        parts.append(pa.Table.from_pylist(batch, schema=ERROR))
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
