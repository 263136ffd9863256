"""Parts of self-contained pages: they send no request, follow light or dark mode, and escape all text."""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from deeper.errors import printable
from deeper.report.palette import variables

CHARTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "assets/charts.js")
"""Scripts of a page with charts, in the order in which they run."""


def document(title: str, sections: Iterable[str], scripts: Sequence[str] = CHARTS, methods: Sequence[str] = ()) -> str:
    """A page that needs nothing else; its security policy forbids requests and other scripts.

    Args:
        title: The title in the browser's tab.
        sections: HTML.
        scripts: The files of this package that the page runs.
        methods: The methods that it shows.
    """
    texts = [_asset(name) for name in scripts]
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)
    # Inline styles are allowed for the charts. Under this policy a style can neither run nor fetch anything.
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    light, dark = (variables(is_dark, methods) for is_dark in (False, True))
    colours = f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{colours}{_asset('assets/style.css')}</style></head>"
        f"<body><main>{''.join(sections)}</main>{''.join(f'<script>{text}</script>' for text in texts)}</body></html>\n"
    )


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = (), label: str = "Table") -> str:
    """A table that scrolls by itself where it is too wide.

    Args:
        rows: The cells; the first of each row is its head.
        head: The heads of the columns. With heads, all cells but the first of a row are set as numbers.
        label: A description for screen readers.
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


def details(title: str, *content: str) -> str:
    """A part that opens when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{''.join(content)}</details>"


def failed(lines: Sequence[str]) -> str:
    """A box that says what failed; empty without a line."""
    return f"<p class=alarm>{'<br>'.join(escape(printable(line)) for line in lines)}</p>" if lines else ""


def rewarded(example: Mapping[str, Any], level: int) -> str:
    """A context's old persona with its best and its worst direction, under a heading of the given level."""
    quotes = [("the old persona", example["old"])] + [
        (f"the {which} direction, r = {example[which]['r']:+.3f}", example[which]["text"])
        for which in ("best", "worst")
    ]
    quoted = "".join(f"<p>{escape(name)}</p><blockquote>{escape(text)}</blockquote>" for name, text in quotes)
    return f"<h{level}>{escape(example['domain'])}</h{level}>{quoted}"


def packed(name: str, value: Any) -> str:
    """A compressed block of data, which assets/charts.js unpacks when it is needed.

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
