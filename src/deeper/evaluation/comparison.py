"""Comparisons of methods on the same users: paired differences, corrected for their number, and reductions."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.evaluation.json_parts import DIGITS, Difference
from deeper.evaluation.methods import FROZEN, in_order, updaters_in
from deeper.evaluation.results_schema import PairedEntry, Reductions
from deeper.measure.holm import holm
from deeper.measure.intervals import Interval, domain_mean_interval, domain_mean_test

Floats = NDArray[np.float64]
MEASURES = ("mae", "rmse", "crps", "rank_accuracy")
COMPARED = ("mae", "crps", "rank_accuracy")
"""The measures that are compared between methods, each corrected for the number of differences by itself."""
ORIGIN = ("readout", "calibrated", "predictor", "prediction")


class CellKey(NamedTuple):
    """The place of a cell."""

    domain: str
    method: str
    round: int
    role: str


class Cell(NamedTuple):
    """Errors of one method in one round and role of one domain.

    Attributes:
        users: Ids (users,).
        measures: Each of `MEASURES` (users,); NaN where a user has no value.
        ratings: The number of ratings behind them.
        search_n: Directions searched at test time.
        origin: The values that occur in each column of `ORIGIN`.
    """

    users: NDArray[np.object_]
    measures: Mapping[str, Floats]
    ratings: int
    search_n: int
    origin: Mapping[str, frozenset[str]]


Cells = Mapping[CellKey, Cell]


class DomainGroup(NamedTuple):
    """A domain, or a mean over several domains."""

    name: str
    domains: tuple[str, ...]


class HeldOut(NamedTuple):
    """A method in one round, on the held-out window."""

    method: str
    round: int

    def of(self, domain: str) -> CellKey:
        """The place of its cell."""
        return CellKey(domain, self.method, self.round, "future")


class SharedUsers(NamedTuple):
    """The users that two cells of a domain share, by their places in each."""

    cells: tuple[Cell, Cell]
    places: tuple[NDArray[np.int64], NDArray[np.int64]]

    def values(self, measure: str) -> tuple[Floats, Floats]:
        """Both values of a measure, user by user; NaN where a user has none."""
        first, second = (cell.measures[measure][place] for cell, place in zip(self.cells, self.places, strict=True))
        return first, second


def cells_of(errors: pa.Table) -> Cells:
    """The cells of ERROR rows; the rows of a cell keep their order.

    Raises:
        ValueError: A user has two rows in one cell.
    """
    if not errors.num_rows:
        return {}
    texts = {name: _encoded(errors[name]) for name in ("user", *CellKey._fields, *ORIGIN)}
    numbers = {name: errors[name].to_numpy() for name in (*MEASURES, "n", "search_n")}
    keys = [texts[name] for name in CellKey._fields]
    place = np.ravel_multi_index([codes for codes, _ in keys], [len(values) for _, values in keys])
    order = np.argsort(place, kind="stable")
    cells: dict[CellKey, Cell] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(place[order])) + 1):
        domain, method, t, role = (values[codes[rows[0]]] for codes, values in keys)
        codes, ids = texts["user"]
        if len(np.unique(codes[rows])) < len(rows):
            raise ValueError(f"two errors of {method} in round {t} for one user")
        cells[CellKey(str(domain), str(method), int(t), str(role))] = Cell(
            users=ids[codes[rows]],
            measures={name: numbers[name][rows].astype(np.float64) for name in MEASURES},
            ratings=int(numbers["n"][rows].sum()),
            search_n=int(numbers["search_n"][rows].max()),
            origin={name: frozenset(texts[name][1][np.unique(texts[name][0][rows])]) for name in ORIGIN},
        )
    return cells


def _encoded(column: Any) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """The codes (rows,) of a column and the values that they stand for."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), np.array(encoded.dictionary.to_pylist(), object)


def mean_over_domains(cells: Sequence[Cell], measure: str) -> Interval:
    """The mean over domains of the mean over the users who have a value; NaN where a domain has none.

    Measures are at least 0, so the interval is, too.
    """
    columns = [cell.measures[measure] for cell in cells]
    known = [column[~np.isnan(column)] for column in columns]
    return domain_mean_interval(known, least=0) if all(map(len, known)) else Interval(*[float("nan")] * 3)


def paired(cells: Cells, against: Mapping[str, Cells], groups: Sequence[DomainGroup], rounds: int) -> list[PairedEntry]:
    """Held-out differences between each method and some others, paired by user and corrected by table.

    Only users with a row of both methods count; `users` is their number. A table is the differences of one domain (or
    mean) in one round.

    Args:
        cells: Errors of the methods.
        against: The methods to compare with, and the errors of each.
        groups: Domains and means over domains.
        rounds: The last round.
    """
    entries: list[PairedEntry] = []
    methods = in_order({key.method for key in cells})
    for group in groups:
        for t in range(rounds + 1):
            table = [
                entry
                for other, cells_of_other in against.items()
                for method in methods
                if method != other
                and (entry := difference((cells, cells_of_other), group, HeldOut(method, t), HeldOut(other, t)))
            ]
            entries += corrected(table)
    return entries


def difference(tables: tuple[Cells, Cells], group: DomainGroup, first: HeldOut, second: HeldOut) -> PairedEntry | None:
    """The held-out differences between two methods, paired by user; None if a domain has no user with both.

    Args:
        tables: Errors of the first and of the second method.
        group: A domain, or a mean over domains.
        first: The method.
        second: The method to compare with.
    """
    shared = _shared_users(tables, group, first, second)
    by_user, crps, rank_accuracy = (_differences(shared, measure) for measure in COMPARED)
    if by_user is None:
        return None
    return PairedEntry(
        **dict(_tested(by_user)),
        domain=group.name,
        method=first.method,
        against=second.method,
        round=first.round,
        improved=float(np.mean([(values < 0).mean() for values in by_user])),
        prediction=_prediction(tables[0][first.of(group.domains[0])]),
        crps=_tested(crps) if crps else None,
        rank_accuracy=_tested(rank_accuracy) if rank_accuracy else None,
    )


def corrected(table: Sequence[PairedEntry]) -> list[PairedEntry]:
    """The differences of one table with p-values that are adjusted for their number, measure by measure.

    A difference that stands twice, as A against B and as B against A, is one test.
    """
    tests = [frozenset((entry.method, entry.against)) for entry in table]
    mae = adjusted([entry.p_value for entry in table], tests)
    crps, rank_accuracy = (
        adjusted([one and one.p_value for one in column], tests)
        for column in ([entry.crps for entry in table], [entry.rank_accuracy for entry in table])
    )
    return [
        entry.model_copy(
            update={
                "p_adjusted": of_mae,
                "crps": with_adjusted(entry.crps, of_crps),
                "rank_accuracy": with_adjusted(entry.rank_accuracy, of_rank),
            }
        )
        for entry, of_mae, of_crps, of_rank in zip(table, mae, crps, rank_accuracy, strict=True)
    ]


def adjusted(p_values: Sequence[float | None], tests: Sequence[Hashable]) -> list[float | None]:
    """P-values after Holm's correction for the number of tests in a table; None stays None.

    Args:
        p_values: Of each difference.
        tests: What each difference tests; differences with equal ones are one test.
    """
    p_value_of = {test: math.nan if p is None else p for test, p in zip(tests, p_values, strict=True)}
    found = dict(zip(p_value_of, holm(list(p_value_of.values())), strict=True))
    return [None if math.isnan(found[test]) else round(found[test], DIGITS) for test in tests]


def with_adjusted(one: Difference | None, p_adjusted: float | None) -> Difference | None:
    """A difference with its adjusted p-value."""
    return one and one.model_copy(update={"p_adjusted": p_adjusted})


def _differences(shared: Sequence[SharedUsers] | None, measure: str) -> list[Floats] | None:
    """The differences of the users who have both values, for each domain; None if a domain has no such user."""
    found: list[Floats] = []
    for one in shared or ():
        first, second = one.values(measure)
        by_user = first - second
        found.append(by_user[~np.isnan(by_user)])
    return found if found and all(map(len, found)) else None


def _tested(by_user: Sequence[Floats]) -> Difference:
    """The mean over domains of the mean over users, with its interval and p-value."""
    found = domain_mean_test(by_user)
    interval = found.interval
    return Difference(
        difference=interval.mean,
        ci=(interval.low, interval.high),
        p_value=found.p_value,
        users=sum(map(len, by_user)),
    )


def reduction(cells: Cells, groups: Sequence[DomainGroup], rounds: int) -> Reductions:
    """Reductions of the held-out MAE in per cent; above 0 is better.

    `across_windows` is 1 − MAE(S_T, W_{T+1}) / MAE(S_0, W_1), as in the paper. Part of it comes free, since later
    windows are easier once more ratings are known. `same_window` is 1 − MAE(S_T, W_{T+1}) / MAE(S_0, W_{T+1}), for the
    updaters only. Both take the users who have both errors; NaN where the first error is 0.
    """
    methods = in_order({key.method for key in cells})
    across = {method: (HeldOut(method, 0), HeldOut(method, rounds)) for method in methods}
    same = {method: (HeldOut(FROZEN, rounds), HeldOut(method, rounds)) for method in updaters_in(methods)}
    across_windows, same_window = (
        {method: percent for method, ends in chosen.items() if (percent := _reduced(cells, groups, *ends))}
        for chosen in (across, same)
    )
    return Reductions(across_windows=across_windows, same_window=same_window)


def _reduced(cells: Cells, groups: Sequence[DomainGroup], before: HeldOut, after: HeldOut) -> dict[str, float]:
    percent: dict[str, float] = {}
    for group in groups:
        pairs = paired_errors((cells, cells), group, before, after)
        if pairs is not None:
            start = float(np.mean([first.mean() for first, _ in pairs]))
            end = float(np.mean([second.mean() for _, second in pairs]))
            percent[group.name] = 100 * (1 - end / start) if start > 0 else float("nan")
    return percent


def paired_errors(
    tables: tuple[Cells, Cells], group: DomainGroup, first: HeldOut, second: HeldOut
) -> list[tuple[Floats, Floats]] | None:
    """Both MAEs of the users who have both, for each domain; None if a domain has no such user."""
    shared = _shared_users(tables, group, first, second)
    return None if shared is None else [one.values("mae") for one in shared]


def _shared_users(
    tables: tuple[Cells, Cells], group: DomainGroup, first: HeldOut, second: HeldOut
) -> list[SharedUsers] | None:
    """The users of both cells, for each domain; None if a domain has none."""
    found: list[SharedUsers] = []
    for domain in group.domains:
        left, right = tables[0].get(first.of(domain)), tables[1].get(second.of(domain))
        if left is None or right is None:
            return None
        _, in_left, in_right = np.intersect1d(left.users, right.users, assume_unique=True, return_indices=True)
        if not len(in_left):
            return None
        found.append(SharedUsers((left, right), (in_left, in_right)))
    return found


def _prediction(cell: Cell) -> str:
    """How a cell's predictions were made; the same for all its users."""
    [prediction] = cell.origin["prediction"]
    return prediction
