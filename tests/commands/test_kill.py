"""A run that is killed again and again, and started again, ends with the tables of an undisturbed one."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

KILLED_RUNS = Path(__file__).with_name("killed_runs.py")
# Whatever a killed run has written by then, or where: these are not results.
NOT_RESULTS = ("cost", "manifest.json", "report.html")
PLACE_IN_STAGE = re.compile(r"^cost/|[/-]\d{5}-.*$|/_code.json$")
"""All but the stage's name in the name of a file that a stage writes."""


def tables(out: Path) -> dict[str, bytes]:
    """Every file of a run that is a result, by name; of results.json all but cost."""
    files = {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not str(path.relative_to(out)).startswith(NOT_RESULTS)
    }
    results = json.loads(files.pop("results.json"))
    files["results.json"] = json.dumps({key: value for key, value in results.items() if key != "cost"}).encode()
    return files


def check_kills(folder: Path, flags: Sequence[str], kills: int, stages: int) -> None:
    command = [sys.executable, KILLED_RUNS, folder, str(kills), "evaluate", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["codes"] == [0, *[-9] * kills, 0], done.stderr
    killed_in = {PLACE_IN_STAGE.sub("", place) for place in found["killed_at"]}
    assert len(killed_in) >= stages, f"the kills are not spread over the run: {found['killed_at']}"
    expected, got = tables(folder / "undisturbed"), tables(folder / "killed")
    assert got.keys() == expected.keys(), "something is missing, or a killed run has left something behind"
    assert [name for name in expected if got[name] != expected[name]] == []


@pytest.mark.embedded
def test_a_real_run_survives_kill_9(tmp_path: Path) -> None:
    flags = ["--users", "2", "--rounds", "2", "--max-persona-tokens", "24", "--methods", "refine,frozen,user_median"]
    check_kills(tmp_path, flags, kills=2, stages=2)


def test_a_scripted_run_survives_kill_9(tmp_path: Path) -> None:
    engines = ["--policy-engine", "scripted", "--predictor-engine", "scripted"]
    flags = ["--users", "12", "--methods", "refine,hierarchical_merge,frozen,user_median", *engines]
    check_kills(tmp_path, flags, kills=9, stages=6)
