"""What a run found, as the JSON of results.json: errors, differences, reductions, failures, leaks, text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.domains import Domain
from deeper.evaluation.comparison import ORIGIN, Cell, Group, Table, paired, reduction, table_of
from deeper.evaluation.error_table import NotAvailableBaseline, count_unrated
from deeper.evaluation.schema import HISTORY_ONLY, METHODS, ROLES
from deeper.evaluation.text_summary import count_failures, describe_texts, leak_rates
from deeper.measure.bootstrap import domain_mean_interval

DIGITS = 6


def summarise(
    errors: pa.Table,
    personas: pa.Table,
    predictions: pa.Table,
    windows: pa.Table,
    domains: Mapping[str, Domain],
    rounds: int,
    seed: int,
    not_available: Sequence[NotAvailableBaseline] = (),
) -> dict[str, Any]:
    """Summarise the errors of a run.

    An error is the mean over users of the user's mean over ratings. The domains `mean`, `mean_seen` and
    `mean_unseen` (where there is more than one domain) are means over domains of those, and only there where
    all of their domains have a value. Intervals are 95 % percentile bootstraps over users. Differences are
    against the user median and `frozen`; of predictions with history against the user median and `history_only`.
    Reductions are of predictions from the persona alone.

    Args:
        errors: ERROR rows of personas, controls and baselines.
        personas: PERSONA rows.
        predictions: PREDICTION rows of eval users.
        windows: WINDOW rows.
        domains: By id.
        rounds: The last round.
        seed: Seed of the bootstrap.
        not_available: Baselines that could not be computed.

    Returns:
        `users`, `errors`, `paired`, `reduction`, `failures`, `persona_failures`, `leaks`, `text`, `unrated`
        and `not_available`, all of it JSON: no NaN, numbers rounded to 6 digits.
    """
    is_combined = pc.field("prediction") == "history"
    table, combined = table_of(errors.filter(~is_combined)), table_of(errors.filter(is_combined))
    present = set(errors["domain"].unique().to_pylist())
    used = [name for name in domains if name in present]
    groups = _groups([domains[name] for name in used])
    summary = {
        "users": {name: pc.count_distinct(errors.filter(pc.field("domain") == name)["user"]).as_py() for name in used},
        "errors": [*_errors(table, groups, rounds, seed), *_errors(combined, groups, rounds, seed)],
        "paired": [
            *paired(table, {"user_median": table, "frozen": table}, groups, rounds, seed),
            *paired(combined, {"user_median": table, HISTORY_ONLY: combined}, groups, rounds, seed),
        ],
        "reduction": reduction(table, groups, rounds),
        **count_failures(predictions, personas),
        "leaks": leak_rates(personas),
        "text": describe_texts(personas),
        "unrated": count_unrated(windows, {name: domains[name] for name in used}, rounds),
        "not_available": [missing._asdict() for missing in not_available],
    }
    return _json(summary)


def _groups(domains: Sequence[Domain]) -> list[Group]:
    groups = [Group(domain.id, (domain.id,)) for domain in domains]
    if len(domains) > 1:
        groups.append(Group("mean", tuple(domain.id for domain in domains)))
        for name, seen in (("mean_seen", True), ("mean_unseen", False)):
            if chosen := tuple(domain.id for domain in domains if domain.seen is seen):
                groups.append(Group(name, chosen))
    return groups


def _errors(table: Table, groups: Sequence[Group], rounds: int, seed: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for group in groups:
        for method in METHODS:
            for t in range(rounds + 1):
                for role in ROLES:
                    keys = [(domain, method, t, role) for domain in group.domains]
                    if all(key in table for key in keys):
                        place = {"domain": group.name, "method": method, "round": t, "role": role}
                        rows.append({**place, **_entry([table[key] for key in keys], seed)})
    return rows


def _entry(cells: Sequence[Cell], seed: int) -> dict[str, Any]:
    """One entry of `errors`, from the cell of each domain."""
    interval = domain_mean_interval([cell.measures["mae"] for cell in cells], seed)
    return {
        "mae": interval.mean,
        "ci": [interval.low, interval.high],
        **{name: _mean(cells, name) for name in ("rmse", "crps", "rank_accuracy")},
        "users": sum(len(cell.users) for cell in cells),
        "ratings": sum(cell.ratings for cell in cells),
        **{name: _all_of(cells, name) for name in ORIGIN},
        "search_n": max(cell.search_n for cell in cells),
    }


def _mean(cells: Sequence[Cell], name: str) -> float:
    """Mean over domains of the mean over the users who have a value; NaN where a domain has none."""
    columns = [cell.measures[name] for cell in cells]
    known = [column[~np.isnan(column)] for column in columns]
    return float(np.mean([column.mean() if len(column) else np.nan for column in known]))


def _all_of(cells: Sequence[Cell], name: str) -> str:
    """The one value of a column, or all of them: "domain+pooled"."""
    return "+".join(sorted(frozenset[str]().union(*(cell.origin[name] for cell in cells))))


def _json(value: Any) -> Any:
    """The same with numbers rounded and what is not finite as None."""
    if isinstance(value, Mapping):
        return {key: _json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_json(part) for part in value]
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value
