"""Comparisons of methods on the same users: paired differences and reductions."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.evaluation.schema import METHODS, UPDATERS
from deeper.measure.bootstrap import domain_mean_interval

Floats = NDArray[np.float64]
PLACE = ("domain", "method", "round", "role")
MEASURES = ("mae", "rmse", "crps", "rank_accuracy")
ORIGIN = ("readout", "calibrated", "predictor", "prediction")


class Cell(NamedTuple):
    """Errors of one method in one round and role of one domain.

    Attributes:
        users: Ids (users,).
        measures: Each of `MEASURES` (users,); NaN where there is none.
        ratings: How many ratings they are of.
        search_n: Directions searched at test time.
        origin: The values of each of `ORIGIN`.
    """

    users: NDArray[np.object_]
    measures: Mapping[str, Floats]
    ratings: int
    search_n: int
    origin: Mapping[str, frozenset[str]]


Table = Mapping[tuple[str, str, int, str], Cell]
"""Errors by (domain, method, round, role)."""


class Group(NamedTuple):
    """A domain, or a mean over several."""

    name: str
    domains: tuple[str, ...]


def table_of(errors: pa.Table) -> Table:
    """Cut error rows into cells; the rows of a cell keep their order.

    Raises:
        ValueError: A user has two rows in one place.
    """
    if not errors.num_rows:
        return {}
    texts = {name: _encoded(errors[name]) for name in ("user", *PLACE, *ORIGIN)}
    numbers = {name: errors[name].to_numpy() for name in (*MEASURES, "n", "search_n")}
    place = np.ravel_multi_index([texts[name][0] for name in PLACE], [len(texts[name][1]) for name in PLACE])
    order = np.argsort(place, kind="stable")
    table: dict[tuple[str, str, int, str], Cell] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(place[order])) + 1):
        domain, method, t, role = (values[codes[rows[0]]] for codes, values in (texts[name] for name in PLACE))
        codes, ids = texts["user"]
        if len(np.unique(codes[rows])) < len(rows):
            raise ValueError(f"two errors of {method} in round {t} for one user")
        table[str(domain), str(method), int(t), str(role)] = Cell(
            users=ids[codes[rows]],
            measures={name: numbers[name][rows].astype(np.float64) for name in MEASURES},
            ratings=int(numbers["n"][rows].sum()),
            search_n=int(numbers["search_n"][rows].max()),
            origin={name: frozenset(texts[name][1][np.unique(texts[name][0][rows])]) for name in ORIGIN},
        )
    return table


def _encoded(column: Any) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Codes (rows,) and the values that they stand for."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), np.array(encoded.dictionary.to_pylist(), object)


def paired(
    table: Table, against: Mapping[str, Table], groups: Sequence[Group], rounds: int, seed: int
) -> list[dict[str, Any]]:
    """Differences in held-out MAE against some methods, by user.

    Only users with a row of both methods count: `users` says how many. `improved` is the share of them with a
    lower error (not an equal one), averaged over the domains like the difference.

    Args:
        table: Errors of the methods.
        against: The methods to compare them with, and the errors of each.
        groups: Domains and means over domains.
        rounds: The last round.
        seed: Seed of the bootstrap.
    """
    rows: list[dict[str, Any]] = []
    for group in groups:
        for other, others in against.items():
            for method in METHODS:
                for t in range(rounds + 1) if method != other else ():
                    pairs = _pairs((table, others), group, (method, t, "future"), (other, t, "future"))
                    if pairs is None:
                        continue
                    differences = [mine - theirs for mine, theirs in pairs]
                    interval = domain_mean_interval(differences, seed)
                    rows.append(
                        {
                            "domain": group.name,
                            "method": method,
                            "against": other,
                            "round": t,
                            "difference": interval.mean,
                            "ci": [interval.low, interval.high],
                            "improved": float(np.mean([(values < 0).mean() for values in differences])),
                            "users": sum(map(len, differences)),
                            "prediction": _prediction(table, (group.domains[0], method, t, "future")),
                        }
                    )
    return rows


def reduction(table: Table, groups: Sequence[Group], rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Reductions of the held-out MAE in per cent, by method and domain; above 0 is better.

    `across_windows` is 1 − MAE(S_T, W_{T+1}) / MAE(S_0, W_1), as the paper takes it: part of it comes free,
    since later windows are easier once more is known. `same_window` is 1 − MAE(S_T, W_{T+1}) / MAE(S_0,
    W_{T+1}), of the updaters only. Both take the users who have both; NaN where the error was 0 to begin
    with.
    """
    across = {method: ((method, 0, "future"), (method, rounds, "future")) for method in METHODS}
    same = {method: (("frozen", rounds, "future"), (method, rounds, "future")) for method in UPDATERS}
    return {
        name: {method: shares for method, ends in kind.items() if (shares := _reduced(table, groups, *ends))}
        for name, kind in (("across_windows", across), ("same_window", same))
    }


Shown = tuple[str, int, str]
"""Method, round and role."""


def _reduced(table: Table, groups: Sequence[Group], before: Shown, after: Shown) -> dict[str, float]:
    percent: dict[str, float] = {}
    for group in groups:
        pairs = _pairs((table, table), group, before, after)
        if pairs is not None:
            start = float(np.mean([first.mean() for first, _ in pairs]))
            end = float(np.mean([second.mean() for _, second in pairs]))
            percent[group.name] = 100 * (1 - end / start) if start > 0 else float("nan")
    return percent


def _pairs(
    tables: tuple[Table, Table], group: Group, first: Shown, second: Shown
) -> list[tuple[Floats, Floats]] | None:
    """MAE of the users whom both have, for each domain; None if a domain has no such user."""
    pairs: list[tuple[Floats, Floats]] = []
    for domain in group.domains:
        left, right = tables[0].get((domain, *first)), tables[1].get((domain, *second))
        if left is None or right is None:
            return None
        _, mine, theirs = np.intersect1d(left.users, right.users, assume_unique=True, return_indices=True)
        if not len(mine):
            return None
        pairs.append((left.measures["mae"][mine], right.measures["mae"][theirs]))
    return pairs


def _prediction(table: Table, place: tuple[str, str, int, str]) -> str:
    """Of what predictions an error is; the same for all users of a place."""
    [one] = table[place].origin["prediction"]
    return one
