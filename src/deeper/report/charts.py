"""Line and bar charts as SVG that stands in a page by itself: no scripts, colours from the page's variables."""

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 420, 190
LEFT, RIGHT, TOP, BOTTOM = 56, 10, 26, 24
TICKS = 4
MOST = 300
"""Points of a line, at most; more are averaged in groups."""

STYLE = """
svg.chart { width: 100%; max-width: 27rem; height: auto; }
svg.chart text { font: 11px system-ui, sans-serif; fill: var(--text); }
svg.chart .grid { stroke: var(--line); }
svg.chart .curve { fill: none; stroke-width: 1.6; }
svg.chart .c0 { stroke: var(--c0); } svg.chart .c1 { stroke: var(--c1); } svg.chart .c2 { stroke: var(--c2); }
svg.chart .bar { fill: var(--c0); }
svg.chart .dashed { stroke-dasharray: 4 3; }
"""


def line_chart(title: str, lines: Mapping[str, Points], dashed: Mapping[str, Points] | None = None) -> str:
    """A chart of numbers by step; empty if there is no number to show.

    Args:
        title: Stands above it.
        lines: Up to three lines, each of (step, number); numbers that are not finite are left out.
        dashed: Lines of the same names and colours, dashed.
    """
    whole, broken = _thinned(lines), _thinned(dashed or {})
    points = [point for line in (*whole.values(), *broken.values()) for point in line]
    if not points:
        return ""
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    ticks = _ticks(min(y for _, y in points), max(y for _, y in points))
    low, high = ticks[0], ticks[-1]

    def x(value: float) -> float:
        return LEFT + (value - first) / ((last - first) or 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    names = list(dict.fromkeys([*whole, *broken]))
    marks = [f'<text x="0" y="12" font-weight="600">{escape(title)}</text>']
    for tick in ticks:
        marks.append(
            f'<line class="grid" x1="{LEFT}" y1="{y(tick):.1f}" x2="{WIDTH - RIGHT}" y2="{y(tick):.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        )
    for at, anchor in ((first, "start"), (last, "end")):
        marks.append(f'<text x="{x(at):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{at:g}</text>')
    for kind, chosen in (("", whole), (" dashed", broken)):
        for name, line in chosen.items():
            path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in line)
            marks.append(f'<polyline class="curve c{names.index(name)}{kind}" points="{path}"/>')
    marks += _legend(names, len(title))
    label = escape(f"{title} by step: {', '.join(names)}", quote=True)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(marks)}</svg>'


def bar_chart(title: str, bars: Points) -> str:
    """A chart of counts by value, a bar each, from zero; empty if there is no bar.

    Args:
        title: Stands above it.
        bars: Value and count; in the order in which they stand.
    """
    if not bars:
        return ""
    ticks = _ticks(0, max(count for _, count in bars))
    width = (WIDTH - LEFT - RIGHT) / len(bars)
    marks = [f'<text x="0" y="12" font-weight="600">{escape(title)}</text>']

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / ticks[-1] * (HEIGHT - TOP - BOTTOM)

    for tick in ticks:
        marks.append(
            f'<line class="grid" x1="{LEFT}" y1="{y(tick):.1f}" x2="{WIDTH - RIGHT}" y2="{y(tick):.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        )
    for i, (_, count) in enumerate(bars):
        marks.append(
            f'<rect class="bar" x="{LEFT + i * width + 1:.1f}" y="{y(count):.1f}" width="{max(width - 2, 1):.1f}" '
            f'height="{HEIGHT - BOTTOM - y(count):.1f}"/>'
        )
    # As many values below the bars as there is room for.
    for i in range(0, len(bars), math.ceil(len(bars) / 8)):
        marks.append(
            f'<text x="{LEFT + (i + 0.5) * width:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{bars[i][0]:g}</text>'
        )
    label = escape(f"{title}: {len(bars)} bars", quote=True)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(marks)}</svg>'


def _legend(names: Sequence[str], offset: int) -> list[str]:
    if len(names) < 2:
        return []
    place, marks = max(LEFT + 60, offset * 7 + 24), list[str]()
    for i, name in enumerate(names):
        marks.append(
            f'<line class="curve c{i}" x1="{place}" y1="8" x2="{place + 14}" y2="8"/>'
            f'<text x="{place + 18}" y="12">{escape(name)}</text>'
        )
        place += 30 + 7 * len(name)
    return marks


def _thinned(lines: Mapping[str, Points]) -> dict[str, Points]:
    """The same lines with at most `MOST` points each; a line without points is left out."""
    found: dict[str, Points] = {}
    for name, points in lines.items():
        finite = [(float(x), float(y)) for x, y in points if math.isfinite(y)]
        size = math.ceil(len(finite) / MOST) or 1
        groups = [finite[i : i + size] for i in range(0, len(finite), size)]
        if groups:
            found[name] = [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]
    return found


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal distances that hold both ends between them."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        pad = abs(high) or 1.0
        low, high = low - pad / 2, high + pad / 2
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * i for i in range(first, max(last, first + 1) + 1)]
