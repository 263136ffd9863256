"""What Sphinx and Furo leave out for screen readers and keyboards, put into the finished pages.

The tests run axe on the pages: a line here that is no longer needed does no harm, and one that is missing shows.
"""

from pathlib import Path

from sphinx.application import Sphinx

BETTER = {
    # Heads of the navigation have a role, and no level.
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    # Landmarks of the same kind need names.
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Site">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    # The head of a column that needs none.
    '<th class="head"><p></p></th>': '<td class="head"></td>',
    # A signature of several lines is drawn as a list of definitions, and is none.
    '<dl>\n<dd><em class="sig-param">': '<dl role="presentation">\n<dd><em class="sig-param">',
}


def improve(app: Sphinx, failure: Exception | None) -> None:
    """Replace in every page."""
    if failure is None and app.builder.name == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text("utf-8")
            better = text
            for old, new in BETTER.items():
                better = better.replace(old, new)
            if better != text:
                page.write_text(better, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Do it at the end of a build."""
    app.connect("build-finished", improve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
