"""Examples in the help of a command as blocks of code in the reference; click marks them with a backspace."""

import click
from sphinx.application import Sphinx

BAR = "| "


def as_code(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Change the lines that sphinx-click makes of a help text: of a marked block, the indented lines are code."""
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
