"""All results as tables in a terminal (`--full`): ASCII, readable at 80 columns and without colour."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deeper.errors import printable
from deeper.evaluation.methods import HISTORY_ONLY, group_of, in_order
from deeper.evaluation.substance.entry import SubstanceEntry
from deeper.persona.rounds import ROLE_OFFSETS
from deeper.report import substance_rows
from deeper.report.failed import failed_lines, missing_word
from deeper.report.terminal.cells import Cells, Results, cells_of, prediction_of, shorter, shown
from deeper.report.terminal.footer import footer
from deeper.report.terminal.stars import star, what_a_star_means

WIDE = 123
"""Columns from which five rounds fit with their ranges beside them."""
BOX = Box("    \n    \n -  \n    \n -  \n    \n    \n    \n", ascii=True)
"""Rules under the head and between sections."""
WITH_HISTORY = "HELD OUT, WITH HISTORY"
NEXT = "error on the next window (MAE, lower is better)"
OTHERS = {
    "user_median": "the user median",
    "frozen": "the first persona (frozen)",
    HISTORY_ONLY: "the same without a persona",
}


def print_results(results: Results, console: Console | None = None) -> None:
    """Print the tables of a run.

    The first table has the error on the held-out next window by round, with the user median on top, and CRPS and rank
    accuracy at the end. Tables of the last round follow: paired differences, RMSE and reductions, what the personas
    hold, domains. Then come the in-sample errors by round, failures, leaks, and what was not available. Predictions
    with history have two tables of their own. With several domains, tables show the mean over domains, up to the last
    round that all domains have.

    Args:
        results: What `evaluation.results.summarise` returns.
        console: Where to print. Default: standard output.
    """
    console = console or Console()
    if not results["errors"] and not results.get("missing"):
        console.print(_text("There is no error to show: no prediction could be compared with a rating."))
    else:
        for part in _parts(results, console.width):
            console.print(_text(part.title, "bold"))
            console.print(part.table)
            console.print(_text(f"{part.caption}\n" if part.caption else "", "dim"))
        if line := shorter(results):
            console.print(_text(f"{line}\n"))
    for line in footer(results):
        console.print(_text(line))
    for line in failed_lines(results):
        console.print(_text(line, "bold"))


class Part(NamedTuple):
    """A table with a line above and one below it."""

    title: str
    table: Table
    caption: str


def _parts(results: Results, width: int) -> list[Part]:
    cells = cells_of(results, "persona", "none")
    domain, last = shown(cells)
    users = sum(results["users"].values()) if domain == "mean" else results["users"][domain]
    combined = cells_of(results, "history")
    median = {key: entry for key, entry in cells.items() if key[1] == "user_median" and combined}
    differences = [
        [e for e in results["paired"] if (prediction_of(e) == "history") is is_combined]
        for is_combined in (False, True)
    ]
    parts = [
        _by_round(cells, domain, last, width, f"HELD OUT: {NEXT}, {_named(domain)}, users: {users}"),
        _differences(differences[0], cells, domain, last, "HELD OUT", ("user_median", "frozen")),
        _by_round(
            {**median, **combined}, domain, last, width, f"{WITH_HISTORY}: {NEXT}, {_named(domain)}, users: {users}"
        ),
        _differences(differences[1], combined, domain, last, WITH_HISTORY, ("user_median", HISTORY_ONLY)),
        _measures(cells, results["reduction"], domain, last),
        _substance(results, domain, last),
        *(_by_domain(cells, last, width) if domain == "mean" else ()),
        *(_in_sample(cells, domain, last, width, role) for role in ROLE_OFFSETS if role != "future"),
    ]
    return [part for part in parts if part.table.row_count]


def _by_round(cells: Cells, domain: str, last: int, width: int, title: str, role: str = "future") -> Part:
    wide = width >= WIDE
    fitting = max(2, (width - 34) // 18 if wide else (width - 29) // 10)
    own = [(key, e) for key, e in cells.items() if (key[0], key[3]) == (domain, role) and e["mae"] is not None]
    rounds = [t for t in range(last + 1) if t + ROLE_OFFSETS[role] >= 0]
    if len(rounds) > fitting:
        rounds = [rounds[0], *rounds[-(fitting - 1) :]]
    table = _table()
    users_of = {(method, t): e["users"] for (_, method, t, _), e in own}
    most = {t: max((count for key, count in users_of.items() if key[1] == t), default=0) for t in rounds}
    for t, count in most.items():
        head = f"round {t}\non W{t + ROLE_OFFSETS[role]}\n{count} user{'s' * (count != 1)}"
        table.add_column(_text(head), justify="right")
    for head in ("CRPS\nround\n", "rank\nround\n") if wide else ("CRPS,\nrank,\nround ",):
        table.add_column(_text(f"{head}{last}"), justify="right")
    fewer = {(m, t): f"\n({count})" for (m, t), count in users_of.items() if count < most.get(t, 0)}

    def row(method: str) -> list[str] | None:
        entries = [cells.get((domain, method, t, role)) for t in rounds]
        if not any(entries):
            return None
        values = [_with_range(e, wide) + fewer.get((method, t), "") for t, e in zip(rounds, entries, strict=True)]
        more = [_number(entries[-1][name] if entries[-1] else None) for name in ("crps", "rank_accuracy")]
        return [*values, *(more if wide else ["\n".join(more)])]

    caption = (
        "The persona of round t has seen W0..Wt and is judged on W(t+1). Ranges: 95 % over users. CRPS: error of the "
        "whole distribution, lower is better. Rank accuracy: share of a user's pairs in the right order; higher is "
        "better, .5 is chance."
    )
    return Part(
        title,
        _fill(table, {key[1] for key in cells}, row),
        caption + (" (n): over n users only, fewer than the column has." if fewer else ""),
    )


def _differences(
    entries: Sequence[Mapping[str, Any]],
    cells: Cells,
    domain: str,
    last: int,
    title: str,
    against_names: Sequence[str],
) -> Part:
    chosen = {(e["method"], e["against"]): e for e in entries if e["domain"] == domain and e["round"] == last}
    counts = sorted({e["users"] for e in chosen.values()})
    users = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1]))) if counts else "no"
    tests = {frozenset(pair) for pair, entry in chosen.items() if entry.get("p_adjusted") is not None}
    table = _table()
    againsts = [name for name in against_names if any(key[1] == name for key in chosen)]
    for against in againsts:
        name = against.removeprefix("user_").replace("_", "\n")
        for header in (f"against\n{name}", "interval", "users\nlower"):
            table.add_column(_text(header), justify="right")

    def row(method: str) -> list[str] | None:
        found = [chosen.get((method, against)) for against in againsts]
        lost = cells.get((domain, method, last, "future"), {"mae": 0})["mae"] is None
        if againsts and lost:
            return [missing_word(method), *[""] * (3 * len(againsts) - 1)]
        return [text for entry in found for text in _difference(entry)] if any(found) else None

    return Part(
        f"{title}, round {last}: difference to {' and to '.join(map(OTHERS.__getitem__, againsts))}, {_named(domain)}",
        _fill(table, {key[1] for key in cells}, row),
        f"MAE of the method minus the other's, paired by user ({users} users); below 0 is better. "
        "Interval: 95 %. Users lower: share of users with a lower error. " + what_a_star_means(len(tests)),
    )


def _measures(cells: Cells, reduction: Results, domain: str, last: int) -> Part:
    table = _table()
    for header in ("RMSE", "across\nwindows", f"on W{last + 1}", "users", "ratings"):
        table.add_column(_text(header), justify="right")

    def row(method: str) -> list[str] | None:
        entry = cells.get((domain, method, last, "future"))
        if entry is None:
            return None
        rmse = missing_word(method) if entry["mae"] is None else _number(entry["rmse"])
        reduced = [reduction[kind].get(method, {}).get(domain) for kind in ("across_windows", "same_window")]
        percent = ["-" if share is None else f"{share:.1f}%" for share in reduced]
        return [rmse, *percent, str(entry["users"]), str(entry["ratings"])]

    return Part(
        f"HELD OUT, round {last}: RMSE, and the reduction of the error, {_named(domain)}",
        _fill(table, {key[1] for key in cells}, row),
        f"RMSE: lower is better. Reduction across windows: from round 0 on W1 to round {last} on W{last + 1} (partly "
        f"free: more is known); on W{last + 1}: against S0 on the same window. Higher is better.",
    )


def _substance(results: Results, domain: str, last: int) -> Part:
    entries = [SubstanceEntry.model_validate(entry) for entry in results.get("substance", ())]
    table, rows = _table(), substance_rows.rows(entries, domain, last, beside="\n")
    for head in substance_rows.heads(last):
        table.add_column(_text(head.replace(", ", ",\n")), justify="right")
    title = f"{substance_rows.TITLE}, {_named(domain)}"
    return Part(title, _fill(table, rows, rows.get), substance_rows.WHAT_IT_SHOWS)


def _by_domain(cells: Cells, last: int, width: int) -> list[Part]:
    """Held-out errors of the last round, one column for each domain, in as many tables as the width needs."""
    domains = list(dict.fromkeys(key[0] for key in cells))
    parts = math.ceil(len(domains) / max(1, (width - 21) // 11))
    return [_of_domains(cells, [str(name) for name in part], last) for part in np.array_split(domains, parts)]


def _of_domains(cells: Cells, domains: Sequence[str], last: int) -> Part:
    table = _table()
    for name in domains:
        table.add_column(_text(name.replace("_", "\n")), justify="right", width=10)

    def row(method: str) -> list[str] | None:
        entries = [cells.get((name, method, last, "future")) for name in domains]
        return [_mae(entry) if entry else "-" for entry in entries] if any(entries) else None

    return Part(
        f"HELD OUT, round {last}: error by domain (MAE, lower is better)",
        _fill(table, {key[1] for key in cells}, row),
        "",
    )


def _in_sample(cells: Cells, domain: str, last: int, width: int, role: str) -> Part:
    title = f"IN-SAMPLE: error on the {role} window, already seen (MAE), {_named(domain)}"
    return _by_round(cells, domain, last, width, title, role)._replace(
        caption="Not a test: these ratings were known when the persona of the round was written (`frozen` has seen W0 "
        "only)."
    )


def _table() -> Table:
    table = Table(box=BOX, padding=0, show_edge=False)
    table.add_column("method", no_wrap=True)
    return table


def _fill(table: Table, methods: Iterable[str], row: Callable[[str], list[str] | None]) -> Table:
    """Add the rows of some methods by section; leave out methods without a row."""
    rows = {method: values for method in in_order(methods) if (values := row(method))}
    for section, found in groupby(rows, _section):
        table.add_row(_text(section, "italic"))
        members = list(found)
        for method in members:
            table.add_row(_text(f" {method}"), *map(_text, rows[method]), end_section=method == members[-1])
    return table


def _section(method: str) -> str:
    return "without a persona" if method == HISTORY_ONLY else group_of(method)


def _text(text: str, style: str = "") -> Text:
    """Text without control characters, which names and reasons in the data may hold."""
    return Text(printable(text), style)


def _named(domain: str) -> str:
    return "mean over domains" if domain == "mean" else domain


def _with_range(entry: Mapping[str, Any] | None, wide: bool) -> str:
    if entry is None:
        return "-"
    low, high = entry["ci"]
    if low is None:
        return _mae(entry)
    mae, interval = _mae(entry), f"{low:.2f}-{high:.2f}"
    return f"{mae} ({interval})" if wide else f"{mae}\n{interval}"


def _difference(entry: Mapping[str, Any] | None) -> list[str]:
    if entry is None:
        return ["-", "", ""]
    low, high = entry["ci"]
    interval = "" if low is None else f"{low:+.3f}..{high:+.3f}"
    return [f"{star(entry.get('p_adjusted'))}{entry['difference']:+.3f}", interval, f"{entry['improved']:.0%}"]


def _mae(entry: Mapping[str, Any]) -> str:
    return missing_word(entry["method"]) if entry["mae"] is None else f"{entry['mae']:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
