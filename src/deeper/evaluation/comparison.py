"""Comparisons of methods on the same users: paired differences and reductions."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.evaluation.methods import FROZEN, in_order, updaters_in
from deeper.evaluation.results_schema import PairedEntry, Reductions
from deeper.measure.bootstrap import domain_mean_interval

Floats = NDArray[np.float64]
MEASURES = ("mae", "rmse", "crps", "rank_accuracy")
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


def paired(
    cells: Cells, against: Mapping[str, Cells], groups: Sequence[DomainGroup], rounds: int, seed: int
) -> list[PairedEntry]:
    """Differences in held-out MAE between each method and some others, paired by user.

    Only users with a row of both methods count; `users` is their number.

    Args:
        cells: Errors of the methods.
        against: The methods to compare with, and the errors of each.
        groups: Domains and means over domains.
        rounds: The last round.
        seed: Seed of the bootstrap.
    """
    entries: list[PairedEntry] = []
    methods = in_order({key.method for key in cells})
    for group in groups:
        for other, cells_of_other in against.items():
            for method in methods:
                for t in range(rounds + 1) if method != other else ():
                    sides = HeldOut(method, t), HeldOut(other, t)
                    if entry := difference((cells, cells_of_other), group, *sides, seed):
                        entries.append(entry)
    return entries


def difference(
    tables: tuple[Cells, Cells], group: DomainGroup, first: HeldOut, second: HeldOut, seed: int
) -> PairedEntry | None:
    """The difference in held-out MAE between two methods, paired by user; None if a domain has no user with both.

    Args:
        tables: Errors of the first and of the second method.
        group: A domain, or a mean over domains.
        first: The method.
        second: The method to compare with.
        seed: Seed of the bootstrap.
    """
    pairs = paired_errors(tables, group, first, second)
    if pairs is None:
        return None
    differences = [mae - mae_of_other for mae, mae_of_other in pairs]
    interval = domain_mean_interval(differences, seed)
    return PairedEntry(
        domain=group.name,
        method=first.method,
        against=second.method,
        round=first.round,
        difference=interval.mean,
        ci=(interval.low, interval.high),
        improved=float(np.mean([(values < 0).mean() for values in differences])),
        users=sum(map(len, differences)),
        prediction=_prediction(tables[0][first.of(group.domains[0])]),
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
    pairs: list[tuple[Floats, Floats]] = []
    for domain in group.domains:
        left, right = tables[0].get(first.of(domain)), tables[1].get(second.of(domain))
        if left is None or right is None:
            return None
        _, in_left, in_right = np.intersect1d(left.users, right.users, assume_unique=True, return_indices=True)
        if not len(in_left):
            return None
        pairs.append((left.measures["mae"][in_left], right.measures["mae"][in_right]))
    return pairs


def _prediction(cell: Cell) -> str:
    """How a cell's predictions were made; the same for all its users."""
    [prediction] = cell.origin["prediction"]
    return prediction
