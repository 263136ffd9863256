"""Addresses that the pages link to, listed beside the site: a build fetches none of them (`make links` does)."""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

NAME = "external_links.txt"


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write the list, one line an address with the pages that link to it."""
    if failure is not None or app.builder.name != "html":
        return
    pages: dict[str, set[str]] = {}
    for page in sorted(app.env.found_docs):
        for link in app.env.get_doctree(page).findall(nodes.reference):
            if (address := link.get("refuri", "")).startswith(("http://", "https://")):
                pages.setdefault(address, set()).add(page)
    lines = [f"{address}  ({', '.join(sorted(where))})\n" for address, where in sorted(pages.items())]
    (Path(app.outdir) / NAME).write_text("".join(lines), "utf-8")
    print(f"{len(pages)} addresses elsewhere, not fetched: {Path(app.outdir) / NAME}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Do it at the end of a build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
