"""A run that is killed at random moments and started again ends with the tables of an undisturbed one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

# Whatever a killed run has written by then, or where: these are not results.
NOT_RESULTS = ("cost", "manifest.json", "report.html")


def start(out: Path, flags: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deeper.cli.main", "evaluate", *flags, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(out: Path, flags: Sequence[str]) -> float:
    began = time.monotonic()
    run = start(out, flags)
    _, messages = run.communicate(timeout=500)
    assert run.returncode == 0, messages.decode()
    return time.monotonic() - began


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


def check_kills(tmp_path: Path, flags: Sequence[str], kills: int, start_up_seconds: float) -> None:
    seconds = finish(tmp_path / "undisturbed", flags)
    clock = random.Random(7)
    killed = 0
    for _ in range(kills):
        run = start(tmp_path / "killed", flags)
        time.sleep(clock.uniform(start_up_seconds, max(seconds * 0.8, start_up_seconds + 0.1)))
        os.kill(run.pid, signal.SIGKILL)
        killed += run.wait() == -signal.SIGKILL
    assert killed >= 2, "the run ended before it could be killed; this test shows nothing"
    finish(tmp_path / "killed", flags)
    expected, got = tables(tmp_path / "undisturbed"), tables(tmp_path / "killed")
    assert got.keys() == expected.keys(), "something is missing, or a killed run has left something behind"
    assert [name for name in expected if got[name] != expected[name]] == []


@pytest.mark.embedded
def test_a_real_run_survives_kill_9(tmp_path: Path) -> None:
    methods = "refine,hierarchical_merge,frozen,user_median"
    flags = ["--users", "3", "--calibration-users", "2", "--rounds", "2", "--max-persona-tokens", "24"]
    check_kills(tmp_path, [*flags, "--methods", methods], kills=4, start_up_seconds=6)


def test_a_scripted_run_survives_kill_9(tmp_path: Path) -> None:
    engines = ["--policy-engine", "scripted", "--predictor-engine", "scripted"]
    flags = ["--users", "30", "--methods", "refine,hierarchical_merge,frozen,user_median", *engines]
    check_kills(tmp_path, flags, kills=5, start_up_seconds=1)
