"""The page of a run of `deeper evaluate` or `deeper demo`: the errors of all methods, and every persona."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from deeper.errors import printable
from deeper.evaluation.methods import FROZEN, Group, by_group, group_of, updaters_in
from deeper.evaluation.results_schema import ErrorEntry, Results, TextStatistics
from deeper.evaluation.runs.load_run import Run
from deeper.report.failed import failed_lines, missing_word
from deeper.report.overview import COMPARED_WITH, Entry, Overview, lead
from deeper.report.pages import charts, html
from deeper.report.pages.persona_browser import browser_data
from deeper.report.pages.provenance_list import provenance_list
from deeper.report.palette import ink, label
from deeper.report.terminal.footer import footer

SCRIPTS = (*html.CHARTS[:2], "vendor/diff.min.js", html.CHARTS[2], "assets/rounds.js", "assets/users.js")
SECTIONS = {
    "errors": "Error by round",
    "personas": "Evolving personas",
    "differences": "Differences and reductions",
    "cost": "Tokens and seconds",
    "checks": "Failures and leaks",
    "origin": "Provenance",
}
TOKEN_KINDS = ("prompt, computed", "prompt, from a cache", "written")
TEXT_MEASURES = ("tokens", "redundancy", "retention", "distinctness")


def page(run: Run) -> str:
    """The whole page of a run, which fetches nothing."""
    results, view = run.results, Overview(run.results)
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in SECTIONS.items())
    bodies = {
        "errors": [*_errors(view), _roles(view)],
        "personas": [BROWSER],
        "differences": _differences(view),
        "cost": _cost(results),
        "checks": _checks(results),
        "origin": [provenance_list(run)],
    }
    sections = [
        f"<header><h1>{escape(printable(run.name))}</h1>{html.failed(failed_lines(results.as_json()))}{lead(view)}</header>",
        f'<nav aria-label="Sections">{links}</nav>',
        *(
            f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>'
            f"{''.join(bodies[name])}</section>"
            for name, title in SECTIONS.items()
        ),
        *browser_data(run),
    ]
    return html.document(f"{printable(run.name)}: evolving personas", sections, SCRIPTS, view.methods)


def _errors(view: Overview) -> list[str]:
    if view.domain is None:
        return ["<p>There is no error to show, since no prediction could be compared with a rating.</p>"]
    parts = [
        "<p>The error on the next window, which the persona of that round has not seen. It is the mean over users of "
        "the user's mean absolute error, with 95 % intervals over users. Lower is better. The user median needs no "
        "model: it is the line to beat.</p>",
        *([_chips(view.methods)] if view.methods else []),
        _rounds(view, view.domain, small=False),
    ]
    if len(view.domains) > 1:
        rest = view.domains[1:]
        parts.append(
            "<h3>Domain by domain</h3><p>The paper trained on the seen domains, with users other than these. Errors "
            "are in units of each domain's own rating scale.</p>"
        )
        parts.append(f"<div class=charts>{''.join(_rounds(view, name, small=True) for name in rest)}</div>")
        parts += [_details(f"All numbers: {view.label(name)}", _numbers(view, name)) for name in rest]
    if view.history(view.domain):
        parts.append(
            "<h3>With history</h3><p>Here each prediction is combined with the user's own past ratings.</p>"
            f"{_rounds(view, view.domain, small=False, prediction='history')}"
        )
    return parts


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
    return drawn if small else drawn + _details("All numbers", table)


def _numbers(view: Overview, domain: str) -> str:
    return _table(view.rows(domain), f"Errors, {view.label(domain)}")


def _table(chosen: Mapping[str, Sequence[Entry]], description: str) -> str:
    rounds = sorted({entry.round for entries in chosen.values() for entry in entries})
    rows: list[list[str]] = []
    for method, entries in chosen.items():
        cells = {entry.round: _cell(entry) for entry in entries}
        users = max((entry.users for entry in entries if isinstance(entry, ErrorEntry)), default=0)
        rows.append([label(method), *(cells.get(t, "-") for t in rounds), str(users)])
    return html.table(rows, ["method", *(f"round {t} on W{t + 1}" for t in rounds), "users"], description)


def _roles(view: Overview) -> str:
    """The in-sample errors; empty for a run without them."""
    found = view.in_sample()
    if not found:
        return ""
    rows = [[label(name), *(_cell(entry) if entry else "-" for entry in pair)] for name, pair in found]
    table = html.table(rows, ["method", f"current W{view.last}", f"previous W{view.last - 1}"], "In-sample errors")
    note = "<p class=note>This is not a test: the personas of this round were written with these ratings known.</p>"
    return _details(f"In-sample, round {view.last}: error on windows already seen", table + note)


def _cell(entry: Entry) -> str:
    """An error with its interval, or why there is none."""
    return (
        charts.with_interval(entry.mae, entry.ci, ".3f")
        if isinstance(entry, ErrorEntry)
        else missing_word(entry.method)
    )


def _differences(view: Overview) -> list[str]:
    if view.domain is None:
        return ["<p>There is nothing to compare.</p>"]
    parts = [
        "<p>The method's error minus the other method's, paired by user, with 95 % intervals. Left of the line is "
        "better. Grey means that the interval includes zero: the data cannot tell the two apart.</p>",
        _pair(view, view.domain),
        "<h3>How much the error fell</h3>"
        f"<p>Across windows: round 0 on W1 compared with round {view.last} on W{view.last + 1}. These are different "
        "ratings, and more ratings are known by then, so even the user median changes. On one window: compared with "
        f"the first persona on the same ratings, W{view.last + 1}. Only this shows what the updates did.</p>",
        _reductions(view, view.domain),
    ]
    parts += [_details(view.label(name), _pair(view, name) + _reductions(view, name)) for name in view.domains[1:]]
    return parts


def _pair(view: Overview, domain: str) -> str:
    drawn: list[str] = []
    for against in COMPARED_WITH:
        rows = [
            {"name": label(entry.method), "value": entry.difference, "ci": entry.ci}
            for entry in view.paired(domain, against)
        ]
        last = view.last_of(domain)
        title = f"{view.label(domain)}, round {last}, against {COMPARED_WITH[against]}"
        drawn.append(charts.intervals(title, rows, (0.0,)))
    note = view.not_drawn(domain, [entry.method for entry in view.paired(domain, FROZEN)])
    return f"<div class=charts>{''.join(drawn)}</div>{f'<p class=note>{escape(note)}</p>' if note else ''}"


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


def _cost(results: Results) -> list[str]:
    stages, total = results.cost.stages, results.cost.total
    used = {name: cost for name, cost in stages.items() if cost.seconds or cost.calls}
    tokens = [
        (name, [cost.tokens_prompt - cost.tokens_cached, cost.tokens_cached, cost.tokens_generated])
        for name, cost in used.items()
    ]
    seconds = [(name, [cost.seconds]) for name, cost in used.items()]
    heads = ["stage", "calls", "prompt tokens", "of these from a cache", "tokens written", "seconds"]
    rows = [
        [
            name,
            f"{cost.calls:,}",
            f"{cost.tokens_prompt:,}",
            f"{cost.tokens_cached:,}",
            f"{cost.tokens_generated:,}",
            f"{cost.seconds:,.1f}",
        ]
        for name, cost in {**stages, "total": total}.items()
    ]
    in_words = (
        f"<p>The run made {total.calls:,} calls with {total.tokens_prompt:,} prompt tokens "
        f"({total.tokens_cached:,} of these from a cache), wrote {total.tokens_generated:,} tokens and spent "
        f"{total.seconds:,.0f} s in its stages.</p>"
    )
    drawn = charts.bars("Tokens by stage", TOKEN_KINDS, tokens, "") + charts.bars(
        "Seconds by stage", ["seconds"], seconds, "s"
    )
    return [
        in_words,
        f"<div class=charts>{drawn}</div>",
        _details("All numbers", html.table(rows, heads, "Cost by stage")),
    ]


def _checks(results: Results) -> list[str]:
    text = results.text
    names = list(dict.fromkeys([*results.failures, *results.persona_failures, *results.leaks, *text]))
    rows = [
        [
            label(name),
            str(results.failures.get(name, "-")),
            str(results.persona_failures.get(name, "-")),
            f"{results.leaks[name]:.0%}" if name in results.leaks else "-",
            *_text_cells(text.get(name)),
        ]
        for name in names
    ]
    heads = ["", "unreadable predictions", "failed personas", "personas with a title or a rating", *TEXT_MEASURES]
    lines = "".join(f"<li>{escape(printable(line))}</li>" for line in footer(results.as_json()))
    return [html.table(rows, heads, "Failures, leaks and texts"), f"<ul>{lines}</ul>"]


def _text_cells(statistics: TextStatistics | None) -> list[str]:
    if statistics is None:
        return ["-"] * len(TEXT_MEASURES)
    return [_number(value) for name, value in statistics if name in TEXT_MEASURES]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _details(title: str, *content: str | Iterable[str]) -> str:
    return f"<details><summary>{escape(title)}</summary>{''.join(map(str, content))}</details>"


BROWSER = """
<p>A user's persona from round to round: what changed in it, what the model was shown, and how well the persona predicts
the next window.</p>
<div class="controls">
<label>method <select id="method"></select></label>
<label>compare with <select id="beside"></select></label>
<fieldset><legend>round</legend><div class="steps" id="steps"></div></fieldset>
<label style="display:flex;align-items:center;gap:.4rem"><input type="checkbox" id="diff" checked> mark changes</label>
</div>
<div class="browser">
<aside aria-label="Users">
<label class="field" hidden>domain <select id="domain"></select></label>
<label class="field">users <select id="order"><option value="all">all, by name</option>
<option value="improved">most improved first</option>
<option value="worsened">most worsened first</option></select></label>
<label class="field">name contains <input type="search" id="find" autocomplete="off"></label>
<div class="field"><span id="found" role="status"></span>
<select id="user" size="12" aria-label="user"></select></div>
<div><button type="button" id="previous">‹ previous</button> <button type="button" id="next">next ›</button></div>
<p class="note" id="measure"></p>
</aside>
<div id="user-view"></div>
</div>
<p class="hidden" role="status" id="status"></p>
"""
