"""Charts in pages: the page holds their data, and assets/charts.js draws them in the browser."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Points = Sequence[tuple[float, float]]

MAX_POINTS = 300
"""Points of a line; more are averaged in groups."""


def chart(kind: str, title: str, data: Mapping[str, Any], label: str, note: str = "") -> str:
    """A figure that assets/charts.js fills.

    Args:
        kind: The name of a drawing function in assets/charts.js.
        title: The text above.
        data: The function's data; JSON without NaN.
        label: A description for screen readers.
        note: The text below.
    """
    below = f"<p class=note>{escape(note)}</p>" if note else ""
    return (
        f'<figure class="chart" data-kind="{escape(kind, quote=True)}"><figcaption>{escape(title)}</figcaption>'
        f'<div class="plot"></div>{json_block({**data, "label": label})}{below}</figure>'
    )


def json_block(value: Mapping[str, Any]) -> str:
    """A block of data in a page; no character of the data can end the block."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f'<script type="application/json">{text.replace("<", chr(92) + "u003c")}</script>'


def line_chart(title: str, lines: Mapping[str, Points], dashed: Mapping[str, Points] | None = None) -> str:
    """A chart of numbers by step; empty if there is no number to show.

    Args:
        title: The text above.
        lines: Up to three lines of (step, number) by name; numbers that are not finite are left out.
        dashed: Dashed lines with the same names and colours.
    """
    found = [
        {"name": name, "dashed": is_dashed, "points": points}
        for is_dashed, chosen in ((False, lines), (True, dashed or {}))
        for name, points in _thinned(chosen).items()
    ]
    if not found:
        return ""
    names = list(dict.fromkeys(str(line["name"]) for line in found))
    return chart("lines", title, {"names": names, "lines": found}, f"{title} by step: {', '.join(names)}")


def histogram(title: str, counts: Points) -> str:
    """A chart with a column for each value; empty if there is none.

    Args:
        title: The text above.
        counts: Value and count, in the order of the columns.
    """
    rows = [{"at": f"{value:g}", "count": count} for value, count in counts]
    label = f"{title}: " + ", ".join(f"{row['at']} {row['count']:,}" for row in rows)
    return chart("columns", title, {"rows": rows}, label) if rows else ""


def intervals(
    title: str, rows: Sequence[Mapping[str, Any]], marks: Sequence[float], note: str = "", digits: int = 3
) -> str:
    """A chart of values with their intervals, one a row; empty if there is none.

    Args:
        title: The text above.
        rows: `name`, `value`, and `ci`, whose ends may be None; optionally `ink`, a method whose colour to use, or
            `clear`, false for a value to draw in grey whatever its interval.
        marks: Places of the vertical lines; values are compared with the first.
        note: The text below.
        digits: Decimals of the values; intervals have one less.
    """
    rows = [row for row in rows if row["value"] is not None]
    label = f"{title}: " + "; ".join(
        f"{row['name']} {with_interval(row['value'], row['ci'], f'+.{digits}f')}" for row in rows
    )
    return chart("intervals", title, {"rows": rows, "marks": marks, "digits": digits}, label, note) if rows else ""


def bars(title: str, parts: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]], unit: str) -> str:
    """A chart of stacked bars, one a row; empty if there is none.

    Args:
        title: The text above.
        parts: Names of the parts of a bar.
        rows: Name, and an amount for each part.
        unit: Unit of the amounts.
    """
    label = f"{title}: " + "; ".join(f"{name} {sum(amounts):,.0f} {unit}" for name, amounts in rows)
    data = {"parts": parts, "rows": [{"name": name, "amounts": amounts} for name, amounts in rows], "unit": unit}
    return chart("bars", title, data, label) if rows else ""


def with_interval(value: float | None, ci: Sequence[float | None], form: str = "+.3f") -> str:
    """A number and its interval as text; "-" for no number."""
    if value is None:
        return "-"
    low, high = ci
    return f"{value:{form}}" if low is None or high is None else f"{value:{form}} ({low:{form}}..{high:{form}})"


def _thinned(lines: Mapping[str, Points]) -> dict[str, Points]:
    """The lines with at most `MAX_POINTS` points each; a line without points is left out."""
    found: dict[str, Points] = {}
    for name, points in lines.items():
        finite = [(float(x), float(y)) for x, y in points if math.isfinite(y)]
        size = math.ceil(len(finite) / MAX_POINTS) or 1
        groups = [finite[i : i + size] for i in range(0, len(finite), size)]
        if groups:
            found[name] = [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]
    return found
