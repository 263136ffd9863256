"""What was planted, beside what ratings show and what personas recover."""

from collections.abc import Sequence
from math import isnan

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deeper.behaviour.planted.check import Contrast
from deeper.evaluation.runs.planted_recovery import Recovery
from deeper.measure.intervals import Interval


def print_contrasts(contrasts: Sequence[Contrast], console: Console) -> None:
    """Print each planted mean, what the ratings show, and where that may lie."""
    table = _table("Planted, and in the ratings", "", "users", "planted", "shown", "99.9 %", "")
    for one in contrasts:
        low, high = one.bounds
        cells = [str(one.users), f"{one.planted:.3f}", f"{one.shown:.3f}", f"{low:.3f}..{high:.3f}"]
        table.add_row(one.name, *cells, "holds" if one.holds else "FAILS")
    console.print(table)


def print_recovery(recovery: Recovery, console: Console) -> None:
    """Print what the predictions of each method say of the planted taste."""
    heads = ("", "users", "level:\ncorr.", "level:\noff by", "liked\nkinds", "95 %", "disliked\nkinds", "95 %")
    table = _table(f"Planted, and in the predictions of W{recovery.k}", *heads)
    table.add_row("planted", "", "", "", f"{recovery.liked:+.2f}", "", f"{recovery.disliked:+.2f}", "")
    for one in recovery.methods:
        level = ["-" if isnan(value) else f"{value:.2f}" for value in (one.level_correlation, one.level_distance)]
        table.add_row(one.method, str(one.users), *level, *_effect(one.liked), *_effect(one.disliked))
    console.print(table)
    console.print(
        Text(
            "Level: the mean of neutral kinds, planted against predicted: its correlation over users, and how far they "
            "are apart. Kinds: their mean minus that of neutral kinds."
        )
    )


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), show_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left", no_wrap=True)
    return table


def _effect(found: Interval) -> list[str]:
    interval = "" if isnan(found.low) else f"{found.low:+.2f}..{found.high:+.2f}"
    return ["-" if isnan(found.mean) else f"{found.mean:+.2f}", interval]
