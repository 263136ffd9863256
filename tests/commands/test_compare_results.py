"""`scripts/compare_results.py`: results are equal to the last digit, or the first differences are named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import compare_results
from compare_results import SHOWN_DIFFERENCES
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from in_process import run_main

Results = dict[str, Any]


@pytest.fixture(scope="module", name="run")
def fixture_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the scripted engine."""
    run = tmp_path_factory.mktemp("compared") / "run"
    scripted = {"policy_engine": "scripted", "predictor_engine": "scripted"}
    methods = ("refine", "frozen", "user_median")
    evaluate(Settings(users=2, calibration_users=2, rounds=1, methods=methods, **scripted), run, Console(quiet=True))
    return run


@pytest.fixture(name="copy")
def fixture_copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def compare(before: Path, after: Path) -> tuple[int, str]:
    done = run_main(compare_results.main, before, after)
    return done.returncode, (done.stdout + done.stderr).strip()


def edit(folder: Path, change: Callable[[Results], object]) -> None:
    results = json.loads((folder / "results.json").read_text("utf-8"))
    change(results)
    (folder / "results.json").write_text(json.dumps(results), "utf-8")


def other_origin(results: Results) -> None:
    results.update(commit="other", versions={}, machine={"cores": 64}, engines={}, notes=["slow"], cost={})
    results["config"]["a_new_setting"] = 3


def test_a_run_is_equal_to_itself_as_a_folder_and_as_a_file(run: Path, copy: Path) -> None:
    assert compare(run, copy) == (0, "equal")
    assert compare(run / "results.json", copy / "results.json") == (0, "equal")


def test_where_and_when_results_were_made_is_not_compared(run: Path, copy: Path) -> None:
    edit(copy, other_origin)
    assert compare(run, copy) == (0, "equal")
    assert compare(copy, run) == (0, "equal")


def test_a_last_digit_differs_and_its_path_is_named(run: Path, copy: Path) -> None:
    edit(copy, lambda results: results["errors"][1].update(mae=results["errors"][1]["mae"] + 1e-6))
    status, said = compare(run, copy)
    assert status == 1
    assert said.startswith("results.json: errors[1].mae: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda results: results["config"].update(users=3), "results.json: config.users: 2 before, 3 after"),
        (lambda results: results.pop("text"), "results.json: text: {"),
        (lambda results: results.update(more=True), "results.json: more: nothing before, true after"),
        (lambda results: results["errors"].pop(), "results.json: errors: "),
        (lambda results: results.update(seed=1.0), "results.json: seed: 1 before, 1.0 after"),
    ],
)
def test_changed_missing_and_new_values_differ(
    run: Path, copy: Path, change: Callable[[Results], object], said: str
) -> None:
    edit(copy, change)
    status, lines = compare(run, copy)
    assert status == 1
    assert lines.startswith(said)
    assert len(max(lines.splitlines(), key=len)) < 400


def test_the_texts_of_run_folders_are_compared_and_their_ids_are_not(run: Path, copy: Path) -> None:
    personas = pq.read_table(copy / "personas.parquet").to_pylist()
    schema = pq.read_schema(copy / "personas.parquet")
    for row in personas:
        row["id"] = f"other {row['id']}"
    pq.write_table(pa.Table.from_pylist(personas, schema=schema), copy / "personas.parquet")
    assert compare(run, copy) == (0, "equal")
    personas[1]["text"] = "Other words."
    pq.write_table(pa.Table.from_pylist(personas, schema=schema), copy / "personas.parquet")
    status, said = compare(run, copy)
    assert status == 1
    assert said.startswith("personas.parquet: [1].text: ")
    assert compare(run / "results.json", copy / "results.json") == (0, "equal")


def test_only_the_first_differences_are_shown(run: Path, copy: Path) -> None:
    edit(copy, lambda results: results.update({f"new {i}": i for i in range(SHOWN_DIFFERENCES + 5)}))
    status, said = compare(run, copy)
    assert status == 1
    assert len(said.splitlines()) == SHOWN_DIFFERENCES + 1
    assert said.endswith(f"Only the first {SHOWN_DIFFERENCES} differences are shown.")


def test_a_missing_file_and_unlike_arguments_are_errors(run: Path, tmp_path: Path) -> None:
    status, said = compare(run, tmp_path)
    assert status == 2 and "results.json is not there" in said
    status, said = compare(run, run / "results.json")
    assert status == 2 and "two files or two run folders" in said
