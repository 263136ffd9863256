"""Examples in the help of a command, which click marks with a line of \\b, as blocks of code in the reference."""

import click
from sphinx.application import Sphinx

BAR = "| "


def as_code(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Change the lines that sphinx-click makes of a help text: a marked block is its head, and indented lines of code."""
    found: list[str] = []
    for line in lines:
        if not line.startswith(BAR):
            found.append(line)
        elif (said := line.removeprefix(BAR)).startswith("  "):
            if not found[-1].startswith("   "):
                found += ["", ".. code-block:: text", ""]
            found.append(f"   {said.strip()}")
        else:
            found.append(said)
    lines[:] = found


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in the reference of commands."""
    app.connect("sphinx-click-process-description", as_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
