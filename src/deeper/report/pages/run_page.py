"""The page of a run of `deeper evaluate` or `deeper demo`: which method learns, and what its personas are."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from deeper.errors import printable
from deeper.evaluation.methods import HISTORY_ONLY, UPDATERS
from deeper.report.overview import OTHERS, Overview, lead
from deeper.report.pages import charts, html
from deeper.report.pages.persona_browser import people
from deeper.report.pages.provenance_list import provenance_list
from deeper.report.palette import GROUPS, INKS, named
from deeper.report.run_files import RunFiles
from deeper.report.terminal.footer import footer

SCRIPTS = (*html.CHARTS[:2], "vendor/diff.min.js", html.CHARTS[2], "assets/rounds.js", "assets/people.js")
SECTIONS = {
    "errors": "Error by round",
    "personas": "Evolving personas",
    "differences": "Differences and reductions",
    "cost": "Tokens and seconds",
    "checks": "Failures and leaks",
    "origin": "Provenance",
}
TOKENS = {"prompt, read anew": "tokens_prompt", "prompt, from a cache": "tokens_cached", "written": "tokens_generated"}


def page(run: RunFiles) -> str:
    """The whole page of a run; it fetches nothing.

    Args:
        run: Its files.
    """
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
        f"<header><h1>{escape(printable(run.name))}</h1>{lead(view)}</header>",
        f'<nav aria-label="Sections">{links}</nav>',
        *(
            f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>'
            f"{''.join(bodies[name])}</section>"
            for name, title in SECTIONS.items()
        ),
        *people(run),
    ]
    return html.document(f"{printable(run.name)}: evolving personas", sections, SCRIPTS)


def _errors(view: Overview) -> list[str]:
    if view.domain is None:
        return ["<p>There is no error to show: no prediction could be compared with a rating.</p>"]
    parts = [
        "<p>On the next window, which the persona of the round has not seen: the mean over users of the user's mean "
        "absolute error, with 95 % intervals over users. Lower is better. The user median needs no model: it is the "
        "line to beat.</p>",
        _chips(view.methods),
        _rounds(view, view.domain, small=False),
    ]
    if len(view.domains) > 1:
        others = view.domains[1:]
        parts.append(
            "<h3>Domain by domain</h3><p>Seen domains are those that the paper trained on; other users of them are "
            "judged. The scales differ from domain to domain, and so do the units.</p>"
        )
        parts.append(f"<div class=charts>{''.join(_rounds(view, name, small=True) for name in others)}</div>")
        parts += [_details(f"All numbers: {view.named(name)}", _numbers(view, name)) for name in others]
    if view.history(view.domain):
        parts.append(f"<h3>With history</h3>{_rounds(view, view.domain, small=False, prediction='history')}")
    return parts


def _chips(methods: Sequence[str]) -> str:
    """Which methods the charts bring to the front."""
    first = [name for name in ("refine", "frozen", "user_median") if name in methods]
    first = first if "refine" in methods else [*[name for name in methods if name in UPDATERS][:1], *first]
    groups: list[str] = []
    for group, members in GROUPS.items():
        labels = "".join(
            f'<label><input type="checkbox" value="{name}"{" checked" if name in first else ""}>'
            f'<i style="border-color:var(--{name});border-top-style:{"dashed" if INKS[name].dash else "solid"}"></i>'
            f"{named(name)}</label>"
            for name in members
            if name in methods
        )
        if labels:
            groups.append(f"<fieldset><legend>{group}</legend><div class=chips>{labels}</div></fieldset>")
    sets = {"personas": [m for m in methods if m in (*GROUPS["personas"], "user_median")], "all": methods, "none": ()}
    buttons = " ".join(
        f'<button type="button" data-methods="{" ".join(members)}">{name}</button>' for name, members in sets.items()
    )
    return f'<div class=groups id="methods">{"".join(groups)}<div role="group" aria-label="Show">{buttons}</div></div>'


def _rounds(view: Overview, domain: str, small: bool, prediction: str = "persona") -> str:
    chosen = view.history(domain) if prediction == "history" else view.future(domain)
    lines = [
        {
            "method": method,
            "dash": INKS[method].dash,
            "points": [[e["round"], e["mae"], *e["ci"], e["users"]] for e in entries],
        }
        for method, entries in chosen.items()
    ]
    spoken = [f"{named(m)} {', '.join(format(e['mae'], '.3f') for e in entries)}" for m, entries in chosen.items()]
    label = f"Error by round, {view.named(domain)}: {'; '.join(spoken)}"
    title = view.named(domain) + (", with history" if prediction == "history" else "")
    drawn = charts.chart("rounds", title, {"lines": lines, "small": small}, label)
    return drawn if small else drawn + _details("All numbers", _table(chosen, f"Errors, {title}"))


def _numbers(view: Overview, domain: str) -> str:
    return _table(view.future(domain), f"Errors, {view.named(domain)}")


def _table(chosen: Mapping[str, Sequence[Mapping[str, Any]]], label: str) -> str:
    rounds = sorted({entry["round"] for entries in chosen.values() for entry in entries})
    rows: list[list[str]] = []
    for method, entries in chosen.items():
        cells = {entry["round"]: charts.told(entry["mae"], entry["ci"], ".3f") for entry in entries}
        rows.append([named(method), *(cells.get(t, "-") for t in rounds), str(max(e["users"] for e in entries))])
    return html.table(rows, ["method", *(f"round {t} on W{t + 1}" for t in rounds), "users"], label)


def _roles(view: Overview) -> str:
    """In-sample errors, where the run has them."""
    found = view.in_sample()
    if not found:
        return ""
    rows = [[named(m), *(charts.told(e["mae"], e["ci"], ".3f") if e else "-" for e in pair)] for m, pair in found]
    table = html.table(rows, ["method", f"current W{view.last}", f"previous W{view.last - 1}"], "In-sample errors")
    said = "<p class=note>Not a test: these ratings were known when the personas of this round were written.</p>"
    return _details(f"In-sample, round {view.last}: error on windows already seen", table + said)


def _differences(view: Overview) -> list[str]:
    if view.domain is None:
        return ["<p>There is nothing to compare.</p>"]
    parts = [
        "<p>The method's error minus the other's, paired by user, with 95 % intervals: left of the line is better. "
        "The interval of a method in grey reaches over the line: no difference can be shown.</p>",
        _pair(view, view.domain),
        "<h3>By how much the error fell</h3>"
        f"<p>Across windows: from round 0 on W1 to round {view.last} on W{view.last + 1}. Those are different ratings "
        "and more is known, so that even the user median falls or rises. On one window: against the first persona on "
        f"the same ratings, W{view.last + 1}: only that is what the updates have done.</p>",
        _reductions(view, view.domain),
    ]
    parts += [_details(view.named(name), _pair(view, name) + _reductions(view, name)) for name in view.domains[1:]]
    return parts


def _pair(view: Overview, domain: str) -> str:
    drawn: list[str] = []
    for against in ("user_median", "frozen", HISTORY_ONLY):
        rows = [
            {"name": named(entry["method"]), "value": entry["difference"], "ci": entry["ci"]}
            for entry in view.paired(domain, against)
        ]
        last = view.last_of(domain)
        drawn.append(charts.intervals(f"{view.named(domain)}, round {last}, against {OTHERS[against]}", rows, (0.0,)))
    return f"<div class=charts>{''.join(drawn)}</div>"


def _reductions(view: Overview, domain: str) -> str:
    drawn: list[str] = []
    for kind, title in (("across_windows", "across windows"), ("same_window", "on one window")):
        found = view.results["reduction"][kind]
        rows = [
            {"name": named(method), "value": found[method][domain], "ci": [None, None], "ink": method}
            for method in view.methods
            if domain in found.get(method, {})
        ]
        drawn.append(charts.intervals(f"{view.named(domain)}: reduction {title}, %", rows, (0.0,), digits=1))
    return f"<div class=charts>{''.join(drawn)}</div>"


def _cost(results: Mapping[str, Any]) -> list[str]:
    stages, total = results["cost"]["stages"], results["cost"]["total"]
    used = {name: cost for name, cost in stages.items() if cost["seconds"] or cost["calls"]}
    tokens = [
        (name, [cost["tokens_prompt"] - cost["tokens_cached"], cost["tokens_cached"], cost["tokens_generated"]])
        for name, cost in used.items()
    ]
    seconds = [(name, [cost["seconds"]]) for name, cost in used.items()]
    heads = ["stage", "calls", "prompt tokens", "of them from a cache", "tokens written", "seconds"]
    rows = [
        [name, *(f"{cost[key]:,}" for key in ("calls", *TOKENS.values())), f"{cost['seconds']:,.1f}"]
        for name, cost in {**stages, "total": total}.items()
    ]
    said = (
        f"<p>{total['calls']:,} calls of the engines, {total['tokens_prompt']:,} prompt tokens "
        f"({total['tokens_cached']:,} of them from a cache), {total['tokens_generated']:,} tokens written, "
        f"{total['seconds']:,.0f} s in the stages.</p>"
    )
    drawn = charts.bars("Tokens by stage", list(TOKENS), tokens, "") + charts.bars(
        "Seconds by stage", ["seconds"], seconds, "s"
    )
    return [said, f"<div class=charts>{drawn}</div>", _details("All numbers", html.table(rows, heads, "Cost by stage"))]


def _checks(results: Mapping[str, Any]) -> list[str]:
    text = results["text"]
    names = list(dict.fromkeys([*results["failures"], *results["persona_failures"], *results["leaks"], *text]))
    measures = ("tokens", "redundancy", "retention", "distinctness")
    rows = [
        [
            named(name),
            str(results["failures"].get(name, "-")),
            str(results["persona_failures"].get(name, "-")),
            f"{results['leaks'][name]:.0%}" if name in results["leaks"] else "-",
            *(_number(text.get(name, {}).get(measure)) for measure in measures),
        ]
        for name in names
    ]
    heads = ["", "predictions not read", "personas not written", "personas that name a title or a rating", *measures]
    lines = "".join(f"<li>{escape(printable(line))}</li>" for line in footer(results))
    return [html.table(rows, heads, "Failures, leaks and texts"), f"<ul>{lines}</ul>"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _details(title: str, *content: str | Iterable[str]) -> str:
    return f"<details><summary>{escape(title)}</summary>{''.join(map(str, content))}</details>"


BROWSER = """
<p>A user's persona from round to round: what changed in it, what it was shown, and how well it predicts what came
next.</p>
<div class="controls">
<label>method <select id="method"></select></label>
<label>beside it <select id="beside"></select></label>
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
<div id="person"></div>
</div>
<p class="hidden" role="status" id="said"></p>
"""
