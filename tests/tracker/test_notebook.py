"""The notebook runs from its first cell to its last, and shows what such a run shows."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

import method_notebook


def shown(cell: Any) -> list[tuple[str, ...]]:
    """The kinds of a cell's outputs: text, or a picture."""
    return [(output["output_type"], *sorted(output.get("data", ()))) for output in cell.get("outputs", ())]


@pytest.fixture
def committed() -> Any:
    return nbformat.read(method_notebook.NOTEBOOK, as_version=4)


def test_it_is_committed_as_it_ran(committed: Any) -> None:
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run scripts/method_notebook.py"
    assert all(cell.outputs for cell in code)
    assert sum("image/png" in kinds for cell in code for kinds in shown(cell)) == 3
    assert not any(output["output_type"] == "error" for cell in code for output in cell.outputs)
    assert "research use" in committed.cells[0].source, "the titles have terms of their own"
    assert not [cell for cell in committed.cells if cell.metadata]


@pytest.mark.embedded
@pytest.mark.timeout(1800)
def test_it_runs_and_shows_the_same_kinds_of_output(committed: Any, tmp_path: Path) -> None:
    before = [(cell.source, shown(cell)) for cell in committed.cells]
    ran = method_notebook.execute(nbformat.from_dict(committed), tmp_path)
    assert [(cell.source, shown(cell)) for cell in ran.cells] == before
    text = "".join(output.get("text", "") for cell in ran.cells for output in cell.get("outputs", ()))
    assert "MAE of S_0 on W_1" in text and text.count("r = ") == 4
