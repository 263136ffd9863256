"""The report of `deeper reward`, on the terminal and as one self-contained page: can the reward be trusted?"""

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deeper.errors import printable
from deeper.report.failed import failed_lines
from deeper.report.pages import charts, html

Report = Mapping[str, Any]
Estimate = Mapping[str, Any]


class Line(NamedTuple):
    """One number of a report's entry: its label, and its path in the entry."""

    name: str
    path: tuple[str, ...]


RELIABILITY = Line("reliability", ("reliability",))
LINES = (
    RELIABILITY,
    Line("correlation of the halves", ("half_correlation",)),
    Line("headroom: best direction against the old persona, r", ("against_old", "r")),
    Line("… for each rating", ("against_old", "per_rating")),
    Line("… in % of the old error", ("against_old", "percent")),
    Line("… in the future window", ("against_old_future",)),
    Line("headroom: best against the mean direction, r", ("against_mean", "r")),
    Line("… in % of the old error", ("against_mean", "percent")),
    Line("mean direction against the old persona, r", ("mean_direction", "r")),
    Line("… previous window", ("mean_direction", "r_prev")),
    Line("… current window", ("mean_direction", "r_curr")),
    Line("… future window", ("mean_direction", "r_fut")),
    Line("correlation of r_prev and r_curr", ("correlations", "prev_curr")),
    Line("correlation of r_prev and r_fut", ("correlations", "prev_fut")),
    Line("correlation of r_curr and r_fut", ("correlations", "curr_fut")),
    Line("correlation of r and length", ("correlations", "length")),
    Line("correlation of r and leaks", ("correlations", "leaks")),
    Line("correlation of r and redundancy", ("correlations", "redundancy")),
    Line("correlation of r and the noise-free reward on other items", ("true",)),
)


def print_reality(report: Report, console: Console) -> None:
    """Print the numbers of the chosen measure for every domain, and whether the reward can be trusted."""
    table = Table(title=f"Can the reward be trusted? ({report['config']['reward']})", box=None, padding=(0, 1))
    entries = _entries(report, report["config"]["reward"])
    table.add_column("")
    for entry in entries:
        table.add_column(Text(printable(entry["domain"])))
    for line in LINES:
        cells = [_with_interval(_find(entry, line)) for entry in entries]
        if any(cells):
            table.add_row(Text(line.name), *map(Text, cells))
    console.print(table)
    for note in (*_notes(report), *failed_lines(report)):
        console.print(printable(note), markup=False, highlight=False)


def page(report: Report) -> str:
    """The report as one HTML page, which fetches nothing."""
    sections = [
        f"<h1>Can the reward be trusted?</h1>{html.failed(failed_lines(report))}",
        f"<p>{escape(' '.join(_notes(report)))}</p>",
        _reliability(report),
        *(_section(measure, report) for measure in report["reality"]),
        f"<h2>Best and worst directions</h2>{''.join(html.rewarded(example, 3) for example in report['examples'])}",
        f"<h2>Origin</h2>{html.table(_origin(report), label='Origin')}",
    ]
    return html.document("Can the reward be trusted?", sections)


def _entries(report: Report, measure: str) -> list[Mapping[str, Any]]:
    """The reality of each domain, and of all domains together where there are several."""
    reality = report["reality"][measure]
    domains = list(reality["by_domain"].values())
    return domains if len(domains) == 1 else [*domains, reality["overall"]]


def _find(entry: Mapping[str, Any], line: Line) -> Estimate | None:
    """The number of a line; None if the entry does not have it."""
    found: Any = entry
    for key in line.path:
        found = found.get(key)
        if found is None:
            return None
    return found


def _with_interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    value, (low, high) = estimate["value"], estimate["ci"]
    if value is None:
        return "-"
    return f"{value:+.3f}" if low is None else f"{value:+.3f} ({low:+.3f}..{high:+.3f})"


def _notes(report: Report) -> list[str]:
    counts, needed, again = report["counts"], report["recipes"]["reward"], report["old_persona_again"]
    verdict = "can be trusted" if report["trustworthy"] else "cannot be trusted: do not learn from it"
    return [
        f"The reward {verdict}. It needs a reliability of {needed['min_reliability']} with an interval above zero, and "
        f"{needed['min_users']} users.",
        f"{counts['directions']} directions of {counts['contexts']} contexts, {counts['distinct']} distinct texts: "
        f"{counts['duplicates']} duplicates, {counts['leaking']} with a title or rating, {counts['failed']} failed, "
        f"{counts['unrewarded']} without a reward; {counts['contexts_unrewarded']} contexts could not be rewarded.",
        f"An old persona scored again gets a reward of 0, give or take {again['largest']:.1e} of the scale's range "
        f"(tolerance {needed['rescored_tolerance']}). Units are those of the rating; for all domains together, shares "
        "of the scale's range; by rank always shares of pairs of items.",
    ]


def _section(measure: str, report: Report) -> str:
    entries = _entries(report, measure)
    rows = [(line.name, [_with_interval(_find(entry, line)) for entry in entries]) for line in LINES]
    head = ["", *(f"{e['domain']} ({e['contexts_used']} contexts, {e['users']} users)" for e in entries)]
    cells = [[name, *values] for name, values in rows if any(values)]
    return f"<h2>By {escape(measure)}</h2>{html.table(cells, head, f'By {measure}')}"


def _reliability(report: Report) -> str:
    found = [
        (f"{entry['domain']}, {measure}", _find(entry, RELIABILITY))
        for measure in report["reality"]
        for entry in _entries(report, measure)
    ]
    rows = [{"name": name, "value": estimate["value"], "ci": estimate["ci"]} for name, estimate in found if estimate]
    level = report["recipes"]["reward"]["min_reliability"]
    return charts.intervals("Reliability", rows, (0.0, level), f"Dashed: the needed reliability, {level:g}.")


def _origin(report: Report) -> list[list[str]]:
    origin = {
        "commit": report["commit"] or "unknown",
        "predictors": "; ".join(report["predictors"]),
        "seed": report["seed"],
        "reward": report["config"],
        "sampled": report["sampled"],
    }
    return [[name, str(value)] for name, value in origin.items()]
