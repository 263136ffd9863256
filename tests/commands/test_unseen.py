"""The proof that no eval user was learnt from: it holds on real artefacts, and fails where an eval window was used."""

import io
import json
import shutil
from pathlib import Path

import pyarrow.compute as pc
import pytest
from rich.console import Console

import unseen
from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.published.domain_folder import write_published
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.sample.sample import sample_directions
from deeper.commands.sample.settings import SampleSettings
from in_process import run_main

WINDOWS = 4
SCRIPTED = {"policy_engine": "scripted", "predictor_engine": "scripted"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, an evaluation on eval users, one on validation users and a sampling."""
    base = tmp_path_factory.mktemp("unseen")
    data = base / "data"
    write_planted(plant_users(40, WINDOWS, seed=4), data)
    quiet, common = Console(file=io.StringIO()), {"data": str(data), **SCRIPTED}
    judged = {"rounds": 1, "methods": ("refine",), "calibration_users": 4, **common}
    evaluate(Settings(**judged), base / "runs" / "results", quiet)
    evaluate(Settings(split="validation", **judged), base / "runs" / "choices", quiet)
    sample_directions(SampleSettings(directions=2, **common), base / "runs" / "sampled", quiet)
    return base


@pytest.fixture
def base(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "base"))


def proof(base: Path) -> tuple[int, dict[str, int], int]:
    """Exit status, windows by artefact, windows of eval users among them."""
    outcome = run_main(unseen.main, "--data", base / "data", base / "runs")
    found = json.loads(outcome.stdout)
    return outcome.returncode, {one["artefact"]: one["windows"] for one in found["artefacts"]}, found["overlap"]


def test_no_eval_user_is_found_and_validation_users_are(base: Path) -> None:
    status, artefacts, overlap = proof(base)
    assert (status, overlap) == (0, 0)
    assert artefacts.keys() == {"choices", "results", "sampled"}
    assert artefacts["results"] == 4 * WINDOWS
    assert artefacts["choices"] > artefacts["results"] and artefacts["sampled"]


def test_an_eval_window_that_was_used_fails_the_proof(base: Path) -> None:
    windows = load_windows(str(base / "data")).windows.to_pylist()
    leaked = next(row["items"] for row in windows if row["split"] == "eval")
    (base / "runs" / "adapter").mkdir()
    (base / "runs" / "adapter" / FINGERPRINTS).write_text(json.dumps({"windows": fingerprints([leaked])}), "utf-8")
    status, _, overlap = proof(base)
    assert (status, overlap) == (1, 1)


def test_nothing_to_compare_with_is_no_proof(base: Path) -> None:
    for path in (base / "runs").rglob(FINGERPRINTS):
        path.unlink()
    assert proof(base)[0] == 1


def test_windows_that_nobody_used_are_no_proof(base: Path) -> None:
    for path in (base / "runs").rglob(FINGERPRINTS):
        path.write_text(json.dumps({"windows": []}), "utf-8")
    assert proof(base)[0] == 1


def test_a_domain_without_an_eval_user_is_no_proof(base: Path) -> None:
    windows = load_windows("movielens_small").windows
    write_published(windows.filter(pc.field("split") == "train"), base / "movielens_small")
    outcome = run_main(unseen.main, "--data", base / "movielens_small", base / "runs")
    found = json.loads(outcome.stdout)
    assert (outcome.returncode, found["overlap"], found["eval_windows"]) == (1, 0, {"movielens_small": 0})


@pytest.mark.parametrize("told", [{"steps": 3}, {"steps": 3, "pairs": 9}])
def test_a_training_without_fingerprints_is_no_proof(base: Path, told: dict[str, int]) -> None:
    (base / "runs" / "1" / "adapter").mkdir(parents=True)
    (base / "runs" / "1" / "adapter" / "deeper.json").write_text(json.dumps({"provenance": told}), "utf-8")
    assert proof(base)[0] == 1
    # Only preference learning learns from what was sampled beside it.
    (base / "runs" / "sampled").rename(base / "runs" / "1" / "sampled")
    assert proof(base)[0] == (0 if "pairs" in told else 1)


def test_shipped_adapters_have_their_fingerprints_together(base: Path) -> None:
    (base / "runs" / "adapter").mkdir()
    (base / "runs" / "adapter" / "deeper.json").write_text(json.dumps({"provenance": {}}), "utf-8")
    assert proof(base)[0] == 1
    (base / "runs" / "results" / FINGERPRINTS).rename(base / "runs" / FINGERPRINTS)
    assert proof(base)[0] == 0
