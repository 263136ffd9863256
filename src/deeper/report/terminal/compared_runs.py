"""Compared runs as a table of the last common round."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deeper.errors import printable
from deeper.evaluation.runs.compared import ComparedEntry, ComparedSetting, Comparison
from deeper.report.overview import MEANS
from deeper.report.terminal.stars import star, what_a_star_means
from deeper.report.terminal.summary import scripted_notes

HEADS = ("error", "interval", "difference", "its interval", "users\nlower", "by seed")
NOT_SHOWN = ("methods", "prompt_version")
"""Settings that differ and are not listed: the table shows the methods, and a hash says nothing."""


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print what differs between the settings, the errors and differences of the last common round, and the notes.

    Args:
        comparison: The comparison.
        console: Where to print. Default: standard output.
    """
    console = console or Console()
    lines = [*_settings(comparison.settings), "", *_heading(comparison)]
    for line in lines:
        console.print(_text(line))
    console.print(_table(comparison))
    for line in [*_caption(comparison), *(f"note: {note}" for note in comparison.notes)]:
        console.print(_text(line))


def _settings(settings: Sequence[ComparedSetting]) -> list[str]:
    lines: list[str] = []
    for one in settings:
        seeds = f"seeds {', '.join(map(str, one.seeds))}" if len(one.seeds) > 1 else f"seed {one.seeds[0]}"
        told = {name: value for name, value in one.differs.items() if name not in NOT_SHOWN}
        differs = "".join(f"; {name} = {_short(value)}" for name, value in told.items())
        lines.append(f"{one.name}: {seeds}{differs}")
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _heading(comparison: Comparison) -> list[str]:
    domain, users = comparison.domain, sum(comparison.users.values())
    return [
        f"HELD OUT, round {comparison.rounds}: error (MAE) on the next window, {MEANS.get(domain, domain)}, "
        f"{users} users",
        f"Lower is better. Differences are to {comparison.reference}.",
    ]


def _table(comparison: Comparison) -> Table:
    # 80 columns have no room for both.
    left_out = "interval" if _has_seeds(comparison) else "by seed"
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("", no_wrap=True)
    for head in HEADS:
        if head != left_out:
            table.add_column(head, justify="right", no_wrap=True)
    before = ""
    for entry in comparison.shown():
        if entry.setting != before:
            table.add_row(_text(entry.setting, "bold"))
            before = entry.setting
        cells = [cell for head, cell in zip(HEADS, _cells(entry), strict=True) if head != left_out]
        table.add_row(_text(f"  {entry.label}"), *map(_text, cells))
    return table


def _cells(entry: ComparedEntry) -> list[str]:
    """The cells under `HEADS`."""
    low, high = entry.ci
    error = [f"{entry.mae:.3f}", "" if low is None else f"{low:.2f}-{high:.2f}"]
    if entry.difference is None:
        return [*error, "", "", "", _spread(entry.mae_by_seed, ".3f")]
    found = entry.difference
    low, high = found.ci
    interval = "" if low is None else f"{low:+.3f}..{high:+.3f}"
    return [
        *error,
        f"{star(found.p_adjusted)}{found.value:+.3f}",
        interval,
        f"{found.improved:.0%}",
        _spread(found.by_seed, "+.3f"),
    ]


def _spread(values: Sequence[float], form: str) -> str:
    """The lowest and the highest value over seeds; empty for a single seed."""
    return f"{min(values):{form}}..{max(values):{form}}" if len(values) > 1 else ""


def _caption(comparison: Comparison) -> list[str]:
    lines = ["Intervals: 95 % over users. Users lower: share of users with a lower error than the reference."]
    found = [entry.difference for entry in comparison.shown() if entry.difference is not None]
    if meaning := what_a_star_means(sum(one.p_adjusted is not None for one in found)):
        lines.append(meaning)
    if _has_seeds(comparison):
        lines.append(
            "By seed: the lowest and the highest difference (of the reference: error) with one seed; the other figures "
            "are of each user's mean over seeds."
        )
    engines = {entry for one in comparison.settings for entry in one.engines}
    return [*scripted_notes(engines), *lines]


def _has_seeds(comparison: Comparison) -> bool:
    return any(len(one.seeds) > 1 for one in comparison.settings)


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style)
