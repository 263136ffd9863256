"""The errors of a run's page: charts and tables by round, other measures, domains, and windows already seen."""

from collections.abc import Mapping, Sequence
from html import escape

from deeper.evaluation.methods import FROZEN, Group, by_group, group_of, updaters_in
from deeper.evaluation.results_schema import ErrorEntry
from deeper.persona.rounds import ROLE_OFFSETS
from deeper.report.failed import missing_word
from deeper.report.overview import Entry, Overview
from deeper.report.pages import charts, html
from deeper.report.palette import ink, label


def errors_section(view: Overview) -> list[str]:
    """The errors on the next window, alone and with history, and those on windows already seen."""
    if view.domain is None:
        return ["<p>There is no error to show, since no prediction could be compared with a rating.</p>"]
    parts = [
        "<p>The error on the next window, which the persona of that round has not seen. It is the mean over users of "
        "the user's mean absolute error, with 95 % intervals over users. Lower is better. The user median needs no "
        "model: it is the line to beat.</p>",
        *([_chips(view.methods)] if view.methods else []),
        _rounds(view, view.domain, small=False),
        f"<h3>After round {view.last}</h3><p>CRPS is the error of the whole predicted distribution, in units of the "
        "rating; lower is better. For a single number it is the absolute error. Rank accuracy is the share of a user's "
        "pairs of items that are predicted in the right order; higher is better, .5 is chance.</p>",
        _measures(view, view.domain),
    ]
    if len(view.domains) > 1:
        rest = view.domains[1:]
        parts.append(
            "<h3>Domain by domain</h3><p>The paper trained on the seen domains, with users other than these. Errors "
            "are in units of each domain's own rating scale.</p>"
        )
        parts.append(f"<div class=charts>{''.join(_rounds(view, name, small=True) for name in rest)}</div>")
        parts += [html.details(f"All numbers: {view.label(name)}", _numbers(view, name)) for name in rest]
    if view.history(view.domain):
        parts.append(
            "<h3>With history</h3><p>Here each prediction is combined with the user's own past ratings.</p>"
            f"{_rounds(view, view.domain, small=False, prediction='history')}"
            f"{_measures(view, view.domain, with_history=True)}"
        )
    return [*parts, *(_in_sample(view, role) for role in ROLE_OFFSETS if role != "future")]


def _chips(methods: Sequence[str]) -> str:
    """The boxes that choose which methods the charts show in colour."""
    first = [name for name in ("refine", FROZEN, "user_median") if name in methods]
    first = first if "refine" in methods else [*updaters_in(methods)[:1], *first]
    groups: list[str] = []
    for group, members in by_group(methods).items():
        labels = "".join(
            f'<label><input type="checkbox" value="{name}"{" checked" if name in first else ""}>'
            f'<i style="border-color:var(--{name});border-top-style:{"dashed" if ink(name).dash else "solid"}"></i>'
            f"{label(name)}</label>"
            for name in members
        )
        groups.append(f"<fieldset><legend>{group}</legend><div class=chips>{labels}</div></fieldset>")
    personas = [name for name in methods if group_of(name) in (Group.PERSONAS, Group.USER_MEDIAN)]
    sets = {"personas": personas, "all": methods, "none": ()}
    buttons = " ".join(
        f'<button type="button" data-methods="{" ".join(members)}">{name}</button>' for name, members in sets.items()
    )
    return f'<div class=groups id="methods">{"".join(groups)}<div role="group" aria-label="Show">{buttons}</div></div>'


def _rounds(view: Overview, domain: str, small: bool, prediction: str = "persona") -> str:
    with_history = prediction == "history"
    chosen = view.history(domain) if with_history else view.future(domain)
    lines = [
        {
            "method": method,
            "dash": ink(method).dash,
            "points": [[entry.round, entry.mae, *entry.ci, entry.users] for entry in entries],
        }
        for method, entries in chosen.items()
    ]
    lines_in_words = [f"{label(name)} {', '.join(f'{e.mae:.3f}' for e in entries)}" for name, entries in chosen.items()]
    description = f"Error by round, {view.label(domain)}: {'; '.join(lines_in_words)}"
    title = view.label(domain) + (", with history" if with_history else "")
    note = view.not_drawn(domain, chosen, with_history=with_history)
    drawn = charts.chart("rounds", title, {"lines": lines, "small": small}, description, note) if lines else ""
    table = _table(view.rows(domain, with_history=with_history), f"Errors, {title}")
    if not lines:
        return table
    return drawn if small else drawn + html.details("All numbers", table)


def _numbers(view: Overview, domain: str) -> str:
    return _measures(view, domain) + _table(view.rows(domain), f"Errors, {view.label(domain)}")


def _measures(view: Overview, domain: str, *, with_history: bool = False) -> str:
    """MAE, CRPS and rank accuracy of a domain's last round, side by side."""
    last = view.last_of(domain)
    rows: list[list[str]] = []
    for method, entries in view.rows(domain, with_history=with_history).items():
        if found := [entry for entry in entries if entry.round == last]:
            rows.append([label(method), *_measured(found[0])])
    heads = ["method", "error (MAE)", "CRPS", "rank accuracy", "users"]
    history = ", with history" if with_history else ""
    return html.table(rows, heads, f"Measures of round {last}, {view.label(domain)}{history}")


def _measured(entry: Entry) -> list[str]:
    if not isinstance(entry, ErrorEntry):
        return [missing_word(entry.method), "-", "-", "0"]
    measures = ((entry.crps, entry.crps_ci), (entry.rank_accuracy, entry.rank_accuracy_ci))
    return [_cell(entry), *(charts.with_interval(*one, ".3f") for one in measures), str(entry.users)]


def _table(chosen: Mapping[str, Sequence[Entry]], description: str, role: str = "future") -> str:
    rounds = sorted({entry.round for entries in chosen.values() for entry in entries})
    rows: list[list[str]] = []
    for method, entries in chosen.items():
        cells = {entry.round: _cell(entry) for entry in entries}
        users = max((entry.users for entry in entries if isinstance(entry, ErrorEntry)), default=0)
        rows.append([label(method), *(cells.get(t, "-") for t in rounds), str(users)])
    heads = [f"round {t} on W{t + ROLE_OFFSETS[role]}" for t in rounds]
    return html.table(rows, ["method", *heads, "users"], description)


def _in_sample(view: Overview, role: str) -> str:
    """The errors on the current or the previous window; empty for a run without them."""
    found = {name: rows for name in view.domains if (rows := view.rows(name, role=role))}
    if not found:
        return ""
    note = (
        "<p class=note>This is not a test: these ratings were known when the persona of the round was written. Only "
        "the first persona (frozen) has seen nothing but W0.</p>"
    )
    tables = [
        (f"<h3>{escape(view.label(name))}</h3>" if len(found) > 1 else "")
        + _table(rows, f"Errors on the {role} window, {view.label(name)}", role)
        for name, rows in found.items()
    ]
    return html.details(f"In-sample: error on the {role} window, already seen", note, *tables)


def _cell(entry: Entry) -> str:
    """An error with its interval, or why there is none."""
    return (
        charts.with_interval(entry.mae, entry.ci, ".3f")
        if isinstance(entry, ErrorEntry)
        else missing_word(entry.method)
    )
