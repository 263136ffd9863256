"""Parts of self-contained pages: no scripts, no links to anything outside, light and dark, all text escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #222; --line: #ddd; --quote: #bbb; --warn: #a30;
  --c0: #2563a8; --c1: #c2571a; --c2: #5b8c2a; }
@media (prefers-color-scheme: dark) { :root { --back: #17191c; --text: #ddd; --line: #3a3d42; --quote: #666;
  --warn: #ff9a70; --c0: #7db4f0; --c1: #f0a070; --c2: #a8d070; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--text); background: var(--back); }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
blockquote { margin: .4rem 0 1rem; padding-left: .8rem; border-left: 3px solid var(--quote); }
"""


def document(title: str, sections: Iterable[str], style: str = "") -> str:
    """A page.

    Args:
        title: In the browser's tab.
        sections: HTML.
        style: Rules besides those of all pages.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}{style}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """A table; the cells behind the first are numbers if it has a head."""
    if not rows:
        return "<p>None yet.</p>"
    heads = f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>" if head else ""
    cell_of = "<td class=number>" if head else "<td>"
    body = "".join(
        f"<tr><td>{escape(row[0])}</td>{''.join(f'{cell_of}{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    return f"<table>{heads}{body}</table>"


def rewarded(example: Mapping[str, Any], level: int) -> str:
    """A context's old persona, and its best and its worst direction, below a heading of the level."""
    quotes = [("the old persona", example["old"])] + [
        (f"the {which} direction, r = {example[which]['r']:+.3f}", example[which]["text"])
        for which in ("best", "worst")
    ]
    told = "".join(f"<p>{escape(name)}</p><blockquote>{escape(text)}</blockquote>" for name, text in quotes)
    return f"<h{level}>{escape(example['domain'])}</h{level}>{told}"
