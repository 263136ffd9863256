"""Execute docs/notebooks/method.ipynb again, in place.

    python scripts/method_notebook.py

Keeps no output that differs from run to run without meaning: times, progress, standard error.
"""

import argparse
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebooks" / "method.ipynb"
TIMEOUT_SECONDS = 1800
"""Limit for a cell, and for the start."""
Notebook = Any


def execute(notebook: Notebook, folder: Path) -> Notebook:
    """Run all cells in order.

    Args:
        notebook: The notebook; its outputs are replaced.
        folder: The working directory of its cells.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell fails.
    """
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_SECONDS,
        startup_timeout=TIMEOUT_SECONDS,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--HistoryManager.enabled=False"],
    )
    client.execute()
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.validate(notebook)
    return notebook


def main() -> None:
    """Execute and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebook", type=Path, default=NOTEBOOK, help="the notebook")
    path = parser.parse_args().notebook
    nbformat.write(execute(nbformat.read(path, as_version=4), path.parent), path)


if __name__ == "__main__":
    main()
