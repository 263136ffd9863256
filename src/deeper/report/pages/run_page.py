"""The page of a run of `deeper evaluate` or `deeper demo`: the errors of all methods, and every persona."""

from html import escape

from deeper.errors import printable
from deeper.evaluation.results_schema import Results, TextStatistics
from deeper.evaluation.runs.load_run import Run
from deeper.report import substance_rows
from deeper.report.failed import failed_lines
from deeper.report.overview import Overview, lead
from deeper.report.pages import charts, html
from deeper.report.pages.differences import differences_section
from deeper.report.pages.errors_by_round import errors_section
from deeper.report.pages.persona_browser import browser_data
from deeper.report.pages.provenance_list import provenance_list
from deeper.report.palette import label
from deeper.report.terminal.footer import footer

SCRIPTS = (*html.CHARTS[:2], "vendor/diff.min.js", html.CHARTS[2], "assets/rounds.js", "assets/users.js")
SECTIONS = {
    "errors": "Error by round",
    "personas": "Evolving personas",
    "differences": "Differences and reductions",
    "substance": substance_rows.TITLE,
    "cost": "Tokens and seconds",
    "checks": "Failures and leaks",
    "origin": "Provenance",
}
TOKEN_KINDS = ("prompt, computed", "prompt, from a cache", "written")
TEXT_MEASURES = ("tokens", "redundancy", "retention", "distinctness")


def page(run: Run) -> str:
    """The whole page of a run, which fetches nothing."""
    results, view = run.results, Overview(run.results)
    bodies = {
        "errors": errors_section(view),
        "personas": [BROWSER],
        "differences": differences_section(view),
        "substance": _substance(view),
        "cost": _cost(results),
        "checks": _checks(results),
        "origin": [provenance_list(run)],
    }
    titles = {name: title for name, title in SECTIONS.items() if bodies[name]}
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in titles.items())
    sections = [
        f"<header><h1>{escape(printable(run.name))}</h1>{html.failed(failed_lines(results.as_json()))}{lead(view)}</header>",
        f'<nav aria-label="Sections">{links}</nav>',
        *(
            f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>'
            f"{''.join(bodies[name])}</section>"
            for name, title in titles.items()
        ),
        *browser_data(run),
    ]
    return html.document(f"{printable(run.name)}: evolving personas", sections, SCRIPTS, view.methods)


def _substance(view: Overview) -> list[str]:
    """The table of each domain; nothing for results of earlier versions."""
    tables: list[str] = []
    for name in view.domains:
        found = substance_rows.rows(view.results.substance, name, view.last_of(name))
        cells = [[label(method), *row] for method, row in found.items()]
        title = f"{substance_rows.TITLE}: {view.label(name)}"
        table = html.table(cells, ["method", *substance_rows.heads(view.last_of(name))], title)
        if cells:
            tables.append(html.details(view.label(name), table) if tables else table)
    return (
        [f"<p>{escape(substance_rows.WHAT_IT_SHOWS)} Ranges are 95 % intervals over users.</p>", *tables]
        if tables
        else []
    )


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
        html.details("All numbers", html.table(rows, heads, "Cost by stage")),
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
