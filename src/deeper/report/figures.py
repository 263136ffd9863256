"""Figures for print, by Matplotlib: as wide as a page's text, in PNG (300 dots an inch) and SVG.

Equal results give equal files.

error_by_round      one panel for each group of methods, the user median in each
error_by_domain     with several domains: the user median, `frozen` and each updater, one panel for each domain
differences         against the user median and against `frozen`, paired by user, at the last round
reductions          across windows, and on one window

`rows_figure` also draws the differences of compared runs.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from deeper.evaluation.methods import FROZEN, Group, by_group, group_of
from deeper.evaluation.results_schema import ErrorEntry, Results
from deeper.report.overview import COMPARED_WITH, Overview
from deeper.report.palette import ink, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_INCHES = 5.5
"""About the text width of a conference paper; the names of methods stand beside it."""
LEFT_MARGIN_SHARE = 0.1
"""The left margin of the panels, as a share of the width."""
STYLE: Any = {
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#5b6067",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#dfe2e6",
    "grid.linewidth": 0.6,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    # A fixed salt: equal runs give equal files.
    "svg.hashsalt": "deeper",
    "savefig.dpi": 300,
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


class Row(NamedTuple):
    """A method's value, the ends of its interval if it has one, and what stands beside it (by default the method)."""

    method: str
    value: float
    low: float | None = None
    high: float | None = None
    name: str = ""


def figures(results: Results) -> dict[str, bytes]:
    """Draw the figures of a run.

    Returns:
        The content of each file by its name; empty for a run without any error.
    """
    # The import takes half a second, which only a command that draws should wait for.
    from matplotlib import rc_context

    view = Overview(results)
    if view.domain is None or not view.future(view.domain):
        return {}
    with rc_context(STYLE):
        drawn = {"error_by_round": _by_round(view, view.domain)}
        if len(view.domains) > 1:
            drawn["error_by_domain"] = _by_domain(view)
        if differences := _differences(view, view.domain):
            drawn["differences"] = differences
        if reductions := _reductions(view, view.domain):
            drawn["reductions"] = reductions
        return {f"{name}.{kind}": saved(figure, kind) for name, figure in drawn.items() for kind in ("png", "svg")}


def _by_round(view: Overview, domain: str) -> "Figure":
    found = view.future(domain)
    groups = {group: names for group, names in by_group(found).items() if group is not Group.USER_MEDIAN}
    groups = groups or {Group.USER_MEDIAN: list(found)}
    figure, panels = _panels(1, len(groups), 1.8)
    for axes, (group, names) in zip(panels, groups.items(), strict=True):
        shown = [*names, *(["user_median"] if "user_median" in found and "user_median" not in names else [])]
        _lines(axes, {name: found[name] for name in shown})
        axes.set_title(group)
        axes.legend(loc="upper left", bbox_to_anchor=(-0.08, -0.3), fontsize=6.5, handlelength=2.6, borderpad=0)
    panels[0].set_ylabel("error (MAE)")
    _title(figure, f"Error on the next window, {view.label(domain)}")
    _note(figure, view.not_drawn(domain, found))
    return figure


def _by_domain(view: Overview) -> "Figure":
    columns = 3
    rows = -(-len(view.domains) // columns)
    figure, panels = _panels(rows, columns, 1.6 * rows, share=False)
    shown = (Group.PERSONAS, Group.USER_MEDIAN)
    for axes, name in zip(panels, view.domains, strict=False):
        _lines(axes, {m: entries for m, entries in view.future(name).items() if group_of(m) in shown})
        axes.set_title(view.label(name), fontsize=7)
    for axes in panels[len(view.domains) :]:
        axes.set_axis_off()
    marks: dict[str, Any] = {}
    for axes in panels:
        marks |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    below = figure.subplotpars.bottom - 0.4 / float(figure.get_figheight())
    figure.legend(marks.values(), marks.keys(), loc="upper center", bbox_to_anchor=(0.5, below), ncols=4, fontsize=6.5)
    notes = {view.label(name): view.not_drawn(name, view.future(name)) for name in view.domains}
    _note(figure, "\n".join(f"{name}: {note}" for name, note in notes.items() if note))
    return figure


def _lines(axes: "Axes", found: Mapping[str, Sequence[ErrorEntry]]) -> None:
    """Draw a line with intervals for each method, shifted a little so that no interval covers another."""
    for i, (method, entries) in enumerate(found.items()):
        drawn, shift = ink(method), 0.05 * (i - (len(found) - 1) / 2)
        rounds = [entry.round + shift for entry in entries]
        errors = [entry.mae for entry in entries]
        known = [(t, *entry.ci) for t, entry in zip(rounds, entries, strict=True) if entry.ci[0] is not None]
        if known:
            at, low, high = zip(*known, strict=True)
            axes.vlines(at, low, high, color=drawn.light, linewidth=0.8, alpha=0.6)
        style = (0, tuple(float(dash) for dash in drawn.dash.split())) if drawn.dash else "solid"
        marker = MARKERS[i % len(MARKERS)]
        axes.plot(
            rounds,
            errors,
            color=drawn.light,
            linestyle=style,
            linewidth=1.1,
            marker=marker,
            ms=2.6,
            label=label(method),
        )
    last = max((entry.round for entries in found.values() for entry in entries), default=0)
    axes.set_xticks(range(last + 1))
    axes.set_xlabel("round")


def _differences(view: Overview, domain: str) -> "Figure | None":
    panels: dict[str, Sequence[Row]] = {}
    for against in ("user_median", FROZEN):
        rows = [Row(entry.method, entry.difference, *entry.ci) for entry in view.paired(domain, against)]
        if rows:
            panels[f"against {COMPARED_WITH[against]}"] = rows
    if not panels:
        return None
    figure = rows_figure(panels, f"difference of the error (MAE), round {view.last}", view.label(domain))
    _note(figure, view.not_drawn(domain, [row.method for rows in panels.values() for row in rows]))
    return figure


def _reductions(view: Overview, domain: str) -> "Figure | None":
    panels: dict[str, Sequence[Row]] = {}
    reduction = view.results.reduction
    for title, found in (("across windows", reduction.across_windows), ("on one window", reduction.same_window)):
        percent = {name: found[name].get(domain) for name in view.methods if name in found}
        if rows := [Row(name, value) for name, value in percent.items() if value is not None]:
            panels[title] = rows
    if not panels:
        return None
    figure = rows_figure(panels, "reduction of the error, %", view.label(domain))
    _note(figure, view.not_drawn(domain, [row.method for rows in panels.values() for row in rows]))
    return figure


def rows_figure(panels: Mapping[str, Sequence[Row]], axis_label: str, title: str) -> "Figure":
    """Draw points and intervals, one a row, in panels side by side."""
    names = list(dict.fromkeys(row.name or label(row.method) for rows in panels.values() for row in rows))
    figure, drawn = _panels(1, len(panels), 0.16 * len(names) + 0.3)
    for axes, (panel, rows) in zip(drawn, panels.items(), strict=True):
        for method, value, low, high, name in rows:
            y, colour = -names.index(name or label(method)), ink(method).light
            if low is not None and high is not None:
                axes.hlines(y, low, high, color=colour, linewidth=1.1)
            axes.plot(value, y, "o", color=colour, ms=3.4)
        axes.axvline(0, color="#1c1e21", linewidth=0.7)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_yticks([-i for i in range(len(names))], names)
        axes.set_title(panel)
        axes.set_xlabel(axis_label)
    _title(figure, title)
    return figure


def _title(figure: "Figure", text: str) -> None:
    """Write a title above the panels' own titles."""
    height = float(figure.get_figheight())
    figure.text(LEFT_MARGIN_SHARE, figure.subplotpars.top + 0.26 / height, text, fontsize=8, va="bottom")


def _note(figure: "Figure", text: str) -> None:
    """Write a note below everything that is drawn so far."""
    if text:
        below = (figure.get_tightbbox().y0 - 0.08) / float(figure.get_figheight())
        figure.text(LEFT_MARGIN_SHARE, below, text, fontsize=6.5, va="top")


def _panels(rows: int, columns: int, height: float, share: bool = True) -> "tuple[Figure, list[Axes]]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height))
    FigureCanvasAgg(figure)
    space = {"wspace": 0.12 if share else 0.28, "hspace": 0.75, "left": LEFT_MARGIN_SHARE, "right": 0.98}
    axes = figure.subplots(rows, columns, sharey=share, squeeze=False, gridspec_kw=space)
    return figure, list(axes.flat)


def saved(figure: "Figure", kind: str) -> bytes:
    """The content of a figure's file; `kind` is "png" or "svg"."""
    stream = io.BytesIO()
    figure.savefig(
        stream,
        format=kind,
        bbox_inches="tight",
        pad_inches=0.03,
        metadata={"Date": None, "Creator": None} if kind == "svg" else {"Software": None},
    )
    return stream.getvalue()
