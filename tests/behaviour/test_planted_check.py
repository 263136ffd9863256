"""`deeper synth check`: planted truth against ratings, and against what a run's personas recover."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from deeper.behaviour.planted.check import check_planted, read_planted
from deeper.behaviour.planted.plant import PLANTED, plant_users, write_planted
from deeper.cli.main import _run  # pyright: ignore[reportPrivateUsage]
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.domains import Domain, Scale
from deeper.evaluation.runs.load_run import load_run
from deeper.evaluation.runs.planted_recovery import planted_recovery

Row = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("planted") / "data"
    write_planted(plant_users(60, 6, seed=4), place)
    return place


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["deeper", "synth", "check", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "140")
        code = _run()
        return code, *capsys.readouterr()

    return command


def changed(folder: Path, copy: Path, change: Callable[[list[Row]], None], name: str = "behaviour.parquet") -> Path:
    """A copy of a planted folder with other rows in one of its tables."""
    shutil.copytree(folder, copy)
    table = pq.read_table(copy / name)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(table.from_pylist(rows, schema=table.schema), copy / name)
    return copy


@pytest.mark.parametrize(
    "domain",
    [PLANTED, Domain("whole", "Whole", "film", Scale(1, 5, 1)), Domain("thumbs", "Thumbs", "film", Scale(0, 1, 1))],
    ids=["half steps", "whole steps", "thumbs"],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_users_show_what_was_planted(tmp_path: Path, domain: Domain, seed: int) -> None:
    write_planted(plant_users(40, 5, seed, domain), tmp_path / "data")
    contrasts = check_planted(read_planted(tmp_path / "data"))
    assert len(contrasts) == 9
    for contrast in contrasts:
        assert contrast.holds, contrast
    [liked, disliked] = [one for one in contrasts if one.name.split()[0] in ("liked", "disliked")]
    assert liked.planted > 0 > disliked.planted


def test_two_users_can_be_checked(tmp_path: Path) -> None:
    write_planted(plant_users(2, 2), tmp_path / "data")
    assert all(contrast.holds for contrast in check_planted(read_planted(tmp_path / "data")))


def test_without_noise_the_ratings_are_the_rounded_truth(tmp_path: Path) -> None:
    write_planted(plant_users(5, 3, noise_steps=0), tmp_path / "data")
    for contrast in check_planted(read_planted(tmp_path / "data"))[:3]:
        assert contrast.shown == pytest.approx(contrast.planted, abs=1e-6)


def lifted(rows: list[Row]) -> None:
    for row in rows:
        row["rating"] = min(row["rating"] + 0.5, 5.0)


def without_taste(rows: list[Row]) -> None:
    """Each user's ratings in another order: the level stays, the kinds lose their meaning."""
    rng = np.random.default_rng(1)
    for user in {row["user"] for row in rows}:
        own = [row for row in rows if row["user"] == user]
        for row, rating in zip(own, rng.permutation([row["rating"] for row in own]).tolist(), strict=True):
            row["rating"] = rating


def of_neighbours(rows: list[Row]) -> None:
    """Each user has the ratings of another one; all means over users stay."""
    ratings = [row["rating"] for row in rows]
    for row, rating in zip(rows, ratings[60:] + ratings[:60], strict=True):
        row["rating"] = rating


def noisier(rows: list[Row]) -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.4, len(rows)).tolist()
    for row, more in zip(rows, noise, strict=True):
        row["rating"] = float(PLANTED.scale.round(np.array([row["rating"] + more]))[0])


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        (lifted, "level, first window"),
        (without_taste, "liked kinds, above the level"),
        (of_neighbours, "users near their own level"),
        (noisier, "noise"),
    ],
)
def test_ratings_that_do_not_show_the_truth_are_found(
    folder: Path, tmp_path: Path, call: Any, change: Any, failing: str
) -> None:
    assert call(folder)[0] == 0
    code, out, err = call(changed(folder, tmp_path / "copy", change))
    assert code == 2
    assert any(line.startswith(failing) and line.rstrip().endswith("FAILS") for line in out.splitlines())
    assert failing in " ".join(err.split()) and "make both again with deeper synth users" in err


def test_a_folder_without_truth_is_refused(folder: Path, tmp_path: Path, call: Any) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "truth.parquet").unlink()
    code, _, err = call(tmp_path / "copy")
    assert code == 2 and "nothing says what was planted" in err and "deeper synth users" in err
    code, _, err = call(changed(folder, tmp_path / "less", lambda rows: rows.clear(), "truth.parquet"))
    assert code == 2 and "speaks of other ratings" in err


def test_a_run_shows_what_its_personas_recover(folder: Path, tmp_path: Path, call: Any) -> None:
    settings = Settings(
        data=str(folder), policy_engine="scripted:taste", predictor_engine="scripted:taste", rounds=3,
        methods=("refine", "frozen", "no_persona", "user_median"), roles=("future",),
    )  # fmt: skip
    evaluate(settings, tmp_path / "run", Console(quiet=True))
    recovery = planted_recovery(load_run(tmp_path / "run"), read_planted(folder))
    assert recovery.k == 4 and recovery.liked > 0.5 and recovery.disliked < -0.5
    found = {one.method: one for one in recovery.methods}
    assert found.keys() == {"no_persona", "frozen", "refine"}
    refine, frozen, nothing = found["refine"], found["frozen"], found["no_persona"]
    assert refine.liked.mean > frozen.liked.mean > nothing.liked.mean == 0
    assert refine.disliked.mean < frozen.disliked.mean < nothing.disliked.mean == 0
    assert refine.level_correlation > frozen.level_correlation and refine.level_distance < frozen.level_distance
    assert refine.users == load_run(tmp_path / "run").results.users["planted"]
    code, out, _ = call(folder, "--run", tmp_path / "run")
    assert code == 0
    for one in recovery.methods:
        line = next(line for line in out.splitlines() if line.startswith(one.method))
        assert f"{one.liked.mean:+.2f}" in line and f"{one.level_distance:.2f}" in line


def test_a_run_on_other_users_is_refused(folder: Path, tmp_path: Path, call: Any) -> None:
    write_planted(plant_users(60, 6, seed=5), tmp_path / "others")
    settings = Settings(
        data=str(tmp_path / "others"), policy_engine="scripted:taste", predictor_engine="scripted:taste", rounds=1,
        methods=("frozen",), roles=("future",),
    )  # fmt: skip
    evaluate(settings, tmp_path / "run", Console(quiet=True))
    code, _, err = call(folder, "--run", tmp_path / "run")
    assert code == 2 and "the run judged other users or ratings" in err
