"""Comparisons of methods on the same users: paired differences and reductions."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.evaluation.schema import METHODS, UPDATERS
from deeper.measure.bootstrap import domain_mean_interval

Table = Mapping[tuple[str, str, int, str], Mapping[str, dict[str, Any]]]
"""What an error row holds besides these names, by (domain, method, round, role) and then by user."""
ROWS_AT_ONCE = 4000


class Group(NamedTuple):
    """A domain, or a mean over several."""

    name: str
    domains: tuple[str, ...]


def table_of(errors: pa.Table) -> Table:
    """Index error rows.

    Raises:
        ValueError: A user has two rows in one place.
    """
    table: dict[tuple[str, str, int, str], dict[str, dict[str, Any]]] = {}
    texts: dict[Any, Any] = {}  # each text once, however many rows have it
    for batch in errors.to_batches(max_chunksize=ROWS_AT_ONCE):
        for row in batch.to_pylist():
            domain, method, t, role, user = (row.pop(name) for name in ("domain", "method", "round", "role", "user"))
            users = table.setdefault((domain, method, t, role), {})
            if user in users:
                raise ValueError(f"two errors of {method} in round {t} for one user")
            for name in ("readout", "calibrated", "predictor", "prediction"):
                row[name] = texts.setdefault(row[name], row[name])
            users[texts.setdefault(user, user)] = row
    return table


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


Cell = tuple[str, int, str]
"""Method, round and role."""


def _reduced(table: Table, groups: Sequence[Group], before: Cell, after: Cell) -> dict[str, float]:
    percent: dict[str, float] = {}
    for group in groups:
        pairs = _pairs((table, table), group, before, after)
        if pairs is not None:
            start = float(np.mean([first.mean() for first, _ in pairs]))
            end = float(np.mean([second.mean() for _, second in pairs]))
            percent[group.name] = 100 * (1 - end / start) if start > 0 else float("nan")
    return percent


def _pairs(
    tables: tuple[Table, Table], group: Group, first: Cell, second: Cell
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]] | None:
    """MAE of the users whom both have, for each domain; None if a domain has no such user."""
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for domain in group.domains:
        left, right = tables[0].get((domain, *first), {}), tables[1].get((domain, *second), {})
        users = [user for user in left if user in right]
        if not users:
            return None
        pairs.append((np.array([left[u]["mae"] for u in users]), np.array([right[u]["mae"] for u in users])))
    return pairs


def _prediction(table: Table, place: tuple[str, str, int, str]) -> str:
    """Of what predictions an error is; the same for all users of a place."""
    return next(iter(table[place].values()))["prediction"]
