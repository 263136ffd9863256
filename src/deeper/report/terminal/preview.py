"""The preview in a terminal: one user's ratings, personas and predictions."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deeper.commands.evaluate.preview import Item, Preview
from deeper.domains import Domain
from deeper.errors import printable
from deeper.measure.metrics import mean_absolute_error
from deeper.measure.word_changes import FORMS, Change

STYLES = {"kept": "", "inserted": "bold green", "deleted": "red strike"}
INDENT = (0, 0, 0, 2)


def print_preview(preview: Preview, console: Console) -> None:
    """Print what a run will do with every user, for one of them."""
    noun = preview.domain.item_noun
    console.print(_text(f"ONE USER FIRST: {preview.user} in {preview.domain.id}", "bold"))
    console.print(_text(f"The user's first {len(preview.first)} {noun} ratings:"))
    console.print(_by_rating(preview.first, preview.domain))
    console.print(_text("The persona that the model writes from them:"))
    console.print(Padding(_text(preview.persona or "none: the model gave no text"), INDENT))
    console.print(_text(f"What the persona predicts of the next {len(preview.second)}, and what the user gave:"))
    console.print(_predictions(preview))
    console.print(Padding(_text(_error(preview), "dim"), INDENT))
    if preview.evidence:
        console.print(_text("What these errors show, as the model is told:"))
        console.print(Padding(_text("\n".join(preview.evidence)), INDENT))
    has_colour = bool(console.is_terminal and console.color_system) and not console.no_color
    key = "removed and added words are coloured" if has_colour else "[-removed-] {+added+}"
    console.print(_text(f"The persona refined by these errors ({key}):"))
    console.print(Padding(_changes(preview.changes, has_colour), INDENT))
    console.print(_text("This preview is not part of the results. The comparison starts now.\n", "dim"))


def _by_rating(items: Sequence[Item], domain: Domain) -> Table:
    """One row for each rating, the best first, as in the prompt."""
    titles: dict[float, list[str]] = {}
    for item in items:
        titles.setdefault(item["rating"], []).append(item["title"])
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for rating in sorted(titles, reverse=True):
        table.add_row(f"  {_rating(rating, domain)}", _text("; ".join(titles[rating])))
    return table


def _predictions(preview: Preview) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("  predicted", justify="right", min_width=11)
    table.add_column("given", justify="right", min_width=5)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for i, item in enumerate(preview.second):
        predicted = "-" if preview.predicted is None else f"{preview.predicted[i]:g}"
        table.add_row(predicted, _rating(item["rating"], preview.domain), _text(item["title"]))
    return table


def _error(preview: Preview) -> str:
    """The mean error of the predictions, or why there is none."""
    points, domain = preview.predicted, preview.domain
    if points is None:
        return "No prediction: the model's answer could not be read."
    given = [item["rating"] for item in preview.second]
    rated = [i for i, rating in enumerate(given) if rating not in domain.unrated]
    if not rated:
        return "The user rated none of these."
    error = mean_absolute_error([points[i] for i in rated], [given[i] for i in rated])
    return f"Mean error {error:.2f}" + (", not calibrated here, but in the run." if preview.will_calibrate else ".")


def _changes(changes: Sequence[Change], has_colour: bool) -> Text:
    if not changes:
        return _text("none: the model gave no text")
    parts = [
        _text(change.text, STYLES[change.kind]) if has_colour else _text(FORMS[change.kind].format(change.text))
        for change in changes
    ]
    marked = Text(" ").join(parts)
    if all(change.kind == "kept" for change in changes):
        marked.append(" (unchanged)")
    return marked


def _rating(rating: float, domain: Domain) -> str:
    return "no rating" if rating in domain.unrated else f"{rating:g}"


def _text(text: str, style: str = "") -> Text:
    """Text without control characters, which titles and personas may hold."""
    return Text(printable(text), style)
