"""The notebook runs from its first cell to its last, and shows what it promises."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

import method_notebook

ENGINE = 'make_engine("embedded")'


@pytest.fixture
def notebook() -> Any:
    return nbformat.read(method_notebook.NOTEBOOK, as_version=4)


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def check(notebook: Any) -> str:
    """Every cell shows something, three of them a picture; the text of all."""
    code = code_of(notebook)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(cell.outputs for cell in code)
    outputs = [output for cell in code for output in cell.outputs]
    assert {output["output_type"] for output in outputs} == {"stream", "display_data"}
    assert sum("image/png" in output.get("data", ()) for output in outputs) == 3
    text = "".join(output.get("text", "") for output in outputs)
    assert "MAE of S_0 on W_1: " in text and "written for an error of " in text
    assert text.count("r = ") == 4 and "user median  round 0: " in text
    return text


def test_it_runs_with_the_scripted_engine(notebook: Any, tmp_path: Path) -> None:
    assert [ENGINE in cell.source for cell in code_of(notebook)].count(True) == 1
    for cell in code_of(notebook):
        cell.source = cell.source.replace(ENGINE, 'make_engine("scripted")')
    check(method_notebook.execute(notebook, tmp_path))


@pytest.mark.embedded
@pytest.mark.timeout(1800)
def test_it_runs_with_the_small_model(notebook: Any, tmp_path: Path) -> None:
    check(method_notebook.execute(notebook, tmp_path))


def test_it_says_whose_the_titles_are_and_nothing_of_the_machine(notebook: Any) -> None:
    assert "research use" in notebook.cells[0].source and "GroupLens" in notebook.cells[0].source
    assert not any(cell.metadata for cell in notebook.cells)
    assert {output.get("name", "") for cell in code_of(notebook) for output in cell.outputs} <= {"stdout", ""}
