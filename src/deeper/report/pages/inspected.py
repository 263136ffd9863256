"""The content of a data folder, on the terminal and as one self-contained page."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deeper.errors import printable
from deeper.report.pages import charts, html

Inspected = Mapping[str, Mapping[str, Any]]

HISTOGRAMS = {
    "ratings": "Ratings by value",
    "ratings_of_users": "Users by their ratings (from 1, 2, 4, …)",
    "days_of_users": "Users by days from first to last rating (from 0, 1, 3, 7, …)",
    "title_lengths": "Titles by length (tens of characters)",
    "years": "Ratings by year",
}
"""The title of each histogram."""

SHOWN_CHARACTERS = 120
"""Of a title; the rest is cut."""


def print_inspected(found: Inspected, console: Console) -> None:
    """Print the counts of every domain, its odd titles, and the distribution of ratings and users."""
    table = Table(title="Content of the data", box=None, padding=(0, 1))
    table.add_column("")
    for name in found:
        table.add_column(Text(printable(name)), justify="right")
    for head, cells in _counts(found):
        table.add_row(Text(head), *map(Text, cells))
    console.print(table)
    for name, content in found.items():
        for kind in ("ratings", "ratings_of_users"):
            counts = ", ".join(f"{value:g}: {count:,}" for value, count in content[kind])
            console.print(Text(f"{printable(name)}, {HISTOGRAMS[kind].lower()}: {counts}"))


def page(found: Inspected) -> str:
    """The content as one HTML page that fetches nothing, with plots and odd titles."""
    sections = [
        "<h1>Content of the data</h1>",
        html.table([[head, *cells] for head, cells in _counts(found)], ["", *found]),
    ]
    for name, content in found.items():
        sections.append(f"<h2>{escape(name)}</h2>")
        sections += [charts.histogram(title, content[kind]) for kind, title in HISTOGRAMS.items()]
        for kind, odd in content["odd"].items():
            if odd["count"]:
                more = "" if odd["count"] <= len(odd["some"]) else f", the first {len(odd['some'])} of them"
                quotes = "".join(f"<blockquote>{escape(_short(title))}</blockquote>" for title in odd["some"])
                sections.append(f"<h3>Titles: {escape(kind)} ({odd['count']:,}{more})</h3>{quotes}")
    return html.document("Content of the data", sections)


def _counts(found: Inspected) -> Sequence[tuple[str, list[str]]]:
    heads = list(dict.fromkeys(head for content in found.values() for head in content["counts"]))
    rows = [(head, [f"{content['counts'].get(head, 0):,}" for content in found.values()]) for head in heads]
    rows.append(("mean rating", [f"{content['mean']:.2f}" for content in found.values()]))
    rows.append(("first rating", [str(content["first"])[:10] for content in found.values()]))
    rows.append(("last rating", [str(content["last"])[:10] for content in found.values()]))
    kinds = list(dict.fromkeys(kind for content in found.values() for kind in content["odd"]))
    rows += [
        (f"titles: {kind}", [f"{content['odd'][kind]['count']:,}" for content in found.values()]) for kind in kinds
    ]
    return rows


def _short(title: str) -> str:
    return title if len(title) <= SHOWN_CHARACTERS else f"{title[:SHOWN_CHARACTERS]}… ({len(title):,} characters)"
