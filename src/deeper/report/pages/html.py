"""Parts of self-contained pages: no request leaves them, light and dark, all text escaped."""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from deeper.report.palette import variables

CHARTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "assets/charts.js")
"""Scripts of a page with charts, in the order in which they are read."""


def document(title: str, sections: Iterable[str], scripts: Sequence[str] = CHARTS) -> str:
    """A page that holds everything that it needs; its security policy lets nothing be fetched and nothing else run.

    Args:
        title: In the browser's tab.
        sections: HTML.
        scripts: Files of this package that the page runs.
    """
    texts = [_asset(name) for name in scripts]
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)
    # The charts set styles of their own; a style can neither run nor fetch anything under this policy.
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    colours = f":root{{{variables(dark=False)}}}@media(prefers-color-scheme:dark){{:root{{{variables(dark=True)}}}}}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{colours}{_asset('assets/style.css')}</style></head>"
        f"<body><main>{''.join(sections)}</main>{''.join(f'<script>{text}</script>' for text in texts)}</body></html>\n"
    )


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = (), label: str = "Table") -> str:
    """A table; the cells behind the first are numbers if it has a head.

    Args:
        rows: Cells; the first of a row is its head.
        head: Heads of the columns, if there are any.
        label: What it holds: a wide table scrolls by itself, and is named for those who do not see it.
    """
    if not rows:
        return "<p>None yet.</p>"
    first, *others = head or [""]
    corner = f"<th scope=col>{escape(first)}</th>" if first else "<td></td>"
    columns = "".join(f"<th scope=col>{escape(cell)}</th>" for cell in others)
    heads = f"<thead><tr>{corner}{columns}</tr></thead>" if head else ""
    cell_of = "<td class=number>" if head else "<td>"
    body = "".join(
        f"<tr><th scope=row>{escape(row[0])}</th>{''.join(f'{cell_of}{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    scrolls = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label, quote=True)}">'
    return f"{scrolls}<table>{heads}<tbody>{body}</tbody></table></div>"


def rewarded(example: Mapping[str, Any], level: int) -> str:
    """A context's old persona, and its best and its worst direction, below a heading of the level."""
    quotes = [("the old persona", example["old"])] + [
        (f"the {which} direction, r = {example[which]['r']:+.3f}", example[which]["text"])
        for which in ("best", "worst")
    ]
    told = "".join(f"<p>{escape(name)}</p><blockquote>{escape(text)}</blockquote>" for name, text in quotes)
    return f"<h{level}>{escape(example['domain'])}</h{level}>{told}"


def packed(name: str, value: Any) -> str:
    """Data of a page, compressed: assets/charts.js unpacks it when it is asked for.

    Args:
        name: The block's id.
        value: JSON without NaN.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    content = base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()
    return f'<script type="text/plain" id="{escape(name, quote=True)}">{content}</script>'


@cache
def _asset(name: str) -> str:
    return files("deeper.report.pages").joinpath(*name.split("/")).read_text("utf-8")
