"""The differences and reductions of a run's page."""

from collections.abc import Sequence
from html import escape

from deeper.evaluation.json_parts import Difference
from deeper.evaluation.methods import FROZEN
from deeper.evaluation.results_schema import PairedEntry
from deeper.report.overview import COMPARED_WITH, Overview, is_clear
from deeper.report.pages import charts, html
from deeper.report.palette import label

P_VALUES = (
    "<p class=note>Adjusted p: a p-value after Holm's correction for all differences of this measure. Below "
    ".05, luck alone is an unlikely reason. MAE and CRPS: below 0 is better; rank accuracy: above 0 is better.</p>"
)


def differences_section(view: Overview) -> list[str]:
    """Paired differences and reductions of the last round, domain by domain."""
    if view.domain is None:
        return ["<p>There is nothing to compare.</p>"]
    parts = [
        "<p>The method's error minus the other method's, paired by user, with 95 % intervals. Left of the line is "
        f"better. Grey means that the data cannot tell the two apart.{_correction(view, view.domain)}</p>",
        _pair(view, view.domain),
        "<h3>How much the error fell</h3>"
        f"<p>Across windows: round 0 on W1 compared with round {view.last} on W{view.last + 1}. These are different "
        "ratings, and more ratings are known by then, so even the user median changes. On one window: compared with "
        f"the first persona on the same ratings, W{view.last + 1}. Only this shows what the updates did.</p>",
        _reductions(view, view.domain),
    ]
    parts += [html.details(view.label(name), _pair(view, name) + _reductions(view, name)) for name in view.domains[1:]]
    return parts


def _correction(view: Overview, domain: str) -> str:
    """What colours and adjusted p-values allow for; empty for results without p-values."""
    tests = view.tests(domain)
    if not tests:
        return ""
    return (
        f" Among {tests} differences some look real by luck. So a difference is in colour only if it holds after "
        "Holm's correction for all of them: the chance that luck coloured any is at most 5 %."
    )


def _pair(view: Overview, domain: str) -> str:
    drawn: list[str] = []
    tables: list[str] = []
    for against in COMPARED_WITH:
        entries = view.paired(domain, against)
        rows = [
            {"name": label(entry.method), "value": entry.difference, "ci": entry.ci, "clear": is_clear(entry)}
            for entry in entries
        ]
        title = f"{view.label(domain)}, round {view.last_of(domain)}, against {COMPARED_WITH[against]}"
        drawn.append(charts.intervals(title, rows, (0.0,)))
        if any(entry.p_adjusted is not None for entry in entries):
            tables.append(f"<h3>{escape(title)}</h3>{_numbers(entries, title)}")
    note = view.not_drawn(domain, [entry.method for entry in view.paired(domain, FROZEN)])
    numbers = html.details("All numbers, with CRPS and rank accuracy", P_VALUES, *tables) if tables else ""
    return f"<div class=charts>{''.join(drawn)}</div>{f'<p class=note>{escape(note)}</p>' if note else ''}{numbers}"


def _numbers(entries: Sequence[PairedEntry], description: str) -> str:
    heads = ["method"]
    for measure in ("MAE", "CRPS", "rank accuracy"):
        heads += [f"difference in {measure}", "adjusted p"]
    rows: list[list[str]] = []
    for entry in entries:
        tested = [cell for one in (entry, entry.crps, entry.rank_accuracy) for cell in _tested(one)]
        rows.append([label(entry.method), *tested, f"{entry.improved:.0%}"])
    return html.table(rows, [*heads, "users with a lower MAE"], description)


def _tested(one: PairedEntry | Difference | None) -> list[str]:
    if one is None:
        return ["-", "-"]
    p_adjusted = "-" if one.p_adjusted is None else f"{one.p_adjusted:.3f}"
    return [charts.with_interval(one.difference, one.ci), p_adjusted]


def _reductions(view: Overview, domain: str) -> str:
    drawn: list[str] = []
    reduction = view.results.reduction
    for title, found in (("across windows", reduction.across_windows), ("on one window", reduction.same_window)):
        rows = [
            {"name": label(method), "value": found[method][domain], "ci": [None, None], "ink": method}
            for method in view.methods
            if domain in found.get(method, {})
        ]
        drawn.append(charts.intervals(f"{view.label(domain)}: reduction {title}, %", rows, (0.0,), digits=1))
    return f"<div class=charts>{''.join(drawn)}</div>"
