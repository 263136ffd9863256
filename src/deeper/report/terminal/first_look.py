"""The first look at a file of ratings: what was read, what is skipped and why, and how long the run will take.

Plain ASCII, like the tables after the run.
"""

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deeper.behaviour.own.ratings_file import RatingsSummary
from deeper.behaviour.own.scale import COMFORTABLE_LABELS
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.windows import MIN_WINDOWS
from deeper.commands.evaluate.estimate import RunEstimate
from deeper.commands.evaluate.plan import RunPlan
from deeper.commands.execution.time_left import duration
from deeper.domains import Domain
from deeper.errors import printable
from deeper.report.terminal.tables import BOX

BAR = 40
"""Characters of the longest bar."""
NAMES_SHOWN = 60
CATEGORIES_SHOWN = 8
"""Commonest categories that a first look names."""


def print_first_look(look: RatingsSummary, plan: RunPlan, estimate: RunEstimate, console: Console) -> None:
    """Print the first look.

    Args:
        look: What was read.
        plan: The run.
        estimate: How long the run will take.
        console: Where to print.
    """
    [domain] = plan.loaded.domains.values()
    console.print(_text(f"FIRST LOOK at {look.path.name} ({look.format})", "bold"))
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    for name, fact in _facts(look, plan, domain):
        facts.add_row(_text(name), _text(fact))
    console.print(facts)
    console.print(_first_rows(look))
    console.print(_histogram(look))
    if look.skipped:
        console.print(_skipped(look))
    console.print(_text(f"{expected_time(estimate)}\n"))


def expected_time(estimate: RunEstimate) -> str:
    """How long a run will take, and how that was estimated."""
    return (
        f"This run writes {estimate.personas:,} personas and predicts {estimate.windows:,} windows of "
        f"{RECIPE.window_size}: about {duration(estimate.seconds)}. Measured just now: "
        f"{estimate.seconds_per_persona:.2f} s a persona, {estimate.seconds_per_window:.2f} s a window."
    )


def _facts(look: RatingsSummary, plan: RunPlan, domain: Domain) -> list[tuple[str, str]]:
    judged, least = len(plan.population.eval), MIN_WINDOWS * RECIPE.window_size
    who = f"{judged:,} of them"
    if plan.settings.split == "all" and judged < look.long_enough:
        who += f", chosen by a hash of the id; --users {look.long_enough} takes all"
    scale = domain.scale
    values = f"{scale.minimum:g} to {scale.maximum:g} by {scale.step:g}"
    columns = ", ".join(f"{field} = {column[:NAMES_SHOWN]}" for field, column in look.columns.items())
    facts = [
        ("columns", columns if "user" in look.columns else f"{columns}; none for the user: one person"),
        ("rows", _rows(look)),
        ("users", f"{look.users:,}; {look.long_enough:,} with at least {least} ratings, as a persona needs"),
        ("in this run", f"{who}; {plan.settings.rounds} rounds"),
        (
            f"{domain.item_noun}s" if domain.item_noun == "item" else "items",
            f"{look.items:,}, each a {domain.item_noun}",
        ),
        ("scale", f"{values} ({look.scale_origin})"),
        ("times", f"{look.span[0]:%Y-%m-%d} to {look.span[1]:%Y-%m-%d}" if look.span else _NO_TIMES),
    ]
    if categories := _categories(plan):
        facts.append(("categories", categories))
    if look.between:
        facts.append(("between", f"{look.between:,} ratings lie between the scale's values and are kept as they are"))
    if len(scale.values) > COMFORTABLE_LABELS:
        facts.append(("", f"{len(scale.values)} values are many: a larger STEP is faster and easier to predict"))
    return facts


def _categories(plan: RunPlan) -> str:
    """How many items have categories, and which are the commonest; empty if none has."""
    rows = plan.loaded.windows.select(["items"]).to_pylist()
    of_items: dict[str, list[str]] = {item["item"]: item["categories"] for row in rows for item in row["items"]}
    counts = Counter(category for categories in of_items.values() for category in categories)
    if not counts:
        return ""
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:CATEGORIES_SHOWN]
    more = f" and {len(counts) - len(most):,} more" if len(counts) > len(most) else ""
    having = sum(map(bool, of_items.values()))
    return (
        f"{having:,} of {len(of_items):,} items in windows have some: "
        + ", ".join(f"{one} ({n:,})" for one, n in most)
        + more
    )


def _rows(look: RatingsSummary) -> str:
    unrated = sum(look.unrated.values())
    marks = ", ".join(f"{mark}: {count:,}" for mark, count in look.unrated.items())
    without = f"{unrated:,} hold no rating ({marks}) and " if unrated else ""
    skipped = look.rows - look.ratings - look.repeated - unrated
    repeated = f"; {look.repeated:,} repeat another one exactly, and are merged" if look.repeated else ""
    return f"{look.rows:,}, of which {without}{skipped:,} are skipped{repeated}"


_NO_TIMES = "none: the order of the rows is used, oldest first"


def _first_rows(look: RatingsSummary) -> Table:
    """The first ratings as they were understood."""
    table = Table(box=BOX, padding=0, show_edge=False)
    table.add_column("user", overflow="fold")
    table.add_column("title", overflow="fold")
    has_categories = any(categories for _, _, categories, _, _ in look.first)
    if has_categories:
        table.add_column("categories", overflow="fold")
    table.add_column("rating", justify="right")
    table.add_column("time")
    for user, title, categories, rating, time in look.first:
        names = [(user, 16), (title, 36), *([(", ".join(categories), 36)] if has_categories else [])]
        cells = (_text(name if len(name) <= most else f"{name[:most]}...") for name, most in names)
        table.add_row(*cells, f"{rating:g}", f"{time:%Y-%m-%d %H:%M}" if time else "none")
    return table


def _histogram(look: RatingsSummary) -> Table:
    most = max(look.histogram.values())
    table = Table(box=BOX, padding=0, show_edge=False)
    table.add_column("rating", justify="right")
    table.add_column("ratings", justify="right")
    table.add_column("")
    for label, count in look.histogram.items():
        if count or len(look.histogram) <= COMFORTABLE_LABELS:
            table.add_row(label, f"{count:,}", " " + "#" * round(BAR * count / most))
    return table


def _skipped(look: RatingsSummary) -> Table:
    table = Table(box=BOX, padding=0, show_edge=False)
    table.add_column("skipped because")
    table.add_column("rows", justify="right")
    table.add_column(" for example", overflow="fold")
    for kind, one in look.skipped.items():
        table.add_row(_text(kind), f"{one.rows:,}", _text("\n".join(f" {example}" for example in one.examples)))
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style)
