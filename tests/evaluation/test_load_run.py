"""`load_run`: a finished run as Arrow tables, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import deeper
from deeper.behaviour.schema import WINDOW
from deeper.commands.evaluate.settings import Settings
from deeper.errors import UserError
from deeper.evaluation.results_schema import read_results
from deeper.evaluation.schema import ERROR
from deeper.persona.schema import PERSONA, PREDICTION
from deeper.persona.search import SEARCH
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST

MakeRun = Callable[..., Path]
SCHEMAS = {
    "personas": PERSONA,
    "predictions": PREDICTION,
    "errors": ERROR,
    "windows": WINDOW,
    "cost": COST,
    "search": SEARCH,
    "history": PREDICTION,
}


def test_a_run_is_its_settings_results_and_tables(made_run: MakeRun) -> None:
    folder = made_run("whole", search_n=2, prediction="history")
    run = deeper.load_run(str(folder))
    assert run.name == "whole" and run.settings["search_n"] == 2 and run.settings["rounds"] == 2
    assert run.results == read_results(folder / "results.json")
    assert list(run.domains) == ["planted"] and run.domains["planted"].scale.maximum == 5
    for name, schema in SCHEMAS.items():
        table = getattr(run, name)
        assert isinstance(table, pa.Table) and table.schema.equals(schema) and table.num_rows > 0, name
    assert run.cost["calls"].to_pylist() and sum(run.cost["calls"].to_pylist()) == run.results.cost.total.calls
    means = run.errors.group_by("method").aggregate([("mae", "mean")]).to_pydict()
    assert set(means["method"]) == {"refine", "frozen", "no_persona", "user_median", "history_only"}


def test_what_a_run_did_not_make_is_none(made_run: MakeRun) -> None:
    run = deeper.load_run(made_run("base"))
    assert run.search is None and run.history is None


def test_tables_become_pandas(made_run: MakeRun) -> None:
    pytest.importorskip("pandas")
    frame = deeper.load_run(made_run("base")).errors.to_pandas()
    assert list(frame.columns) == ERROR.names and frame["mae"].between(0, 4.5).all()


def test_a_folder_that_is_no_run_is_refused_with_advice(tmp_path: Path, planted_data: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", planted_data):
        with pytest.raises(UserError, match="not the folder of a finished run of deeper evaluate") as caught:
            deeper.load_run(folder)
        assert caught.value.do == "give the folder of such a run"


@pytest.mark.parametrize("name", ["manifest.json", "results.json", "errors.parquet", "cost.parquet"])
def test_a_run_that_is_not_finished_is_refused_with_advice(made_run: MakeRun, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "run"
    shutil.copytree(made_run("base"), copy)
    (copy / name).unlink()
    with pytest.raises(UserError, match="the run is not finished") as caught:
        deeper.load_run(copy)
    assert "repeat the command of the run" in caught.value.do and caught.value.where == str(copy / name)


def test_tables_of_an_earlier_version_are_refused_with_advice(made_run: MakeRun, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(made_run("base"), copy)
    run = deeper.load_run(copy)
    folder = RunFolder(copy, Settings(**run.settings))
    folder.write_table("errors.parquet", run.errors.drop_columns(["rmse"]))
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    files = list(manifest.pop("files"))
    del manifest["sha256"]
    folder.seal("manifest.json", manifest, files)
    with pytest.raises(UserError, match="other columns: an earlier version wrote it"):
        deeper.load_run(copy)
