"""Terminals and pipes of every kind: no run breaks on where its output goes."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from command_line import SCRIPTED, CommandLine

RUN = ("--rounds", "1", "--users", "2", "--calibration", "off", "--roles", "future", *SCRIPTED)
ODD: list[Mapping[str, str]] = [
    {"COLUMNS": "0", "TERM": "dumb", "NO_COLOR": "1", "PYTHONIOENCODING": "latin-1"},
    {"COLUMNS": "many", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]


def shell(line: str, here: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which `deeper` is the command line of this checkout."""
    line = line.replace("deeper ", f"{sys.executable} -m deeper ")
    command = ["bash", "-c", f"set -o pipefail; {line}"]
    known = {**os.environ, **environment}
    return subprocess.run(command, cwd=here, env=known, capture_output=True, text=True, errors="replace", check=False)


@pytest.mark.parametrize("environment", ODD, ids=lambda odd: " ".join(f"{k}={v}" for k, v in odd.items()))
def test_a_demo_speaks_on_odd_terminals(environment: Mapping[str, str], tmp_path: Path) -> None:
    done = shell(f"deeper demo --full --out café {' '.join(RUN)}", tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "\x1b" not in done.stdout + done.stderr
    assert any(line.startswith(" user_median") and len(line) > 20 for line in done.stdout.splitlines())


@pytest.mark.parametrize("columns", ["0", "1", "-3", "many"])
def test_a_width_that_is_none_narrows_no_table(
    deeper: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    result = deeper("evaluate", "--data", str(data), "--full", *RUN, "--out", "run")
    assert result.code == 0, result.err
    assert any(line.startswith(" user_median") and len(line) > 20 for line in result.out.splitlines())


def test_help_and_errors_speak_on_odd_terminals(tmp_path: Path) -> None:
    for environment in ODD:
        done = shell("deeper evaluate --help", tmp_path, **environment)
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) > 40
        done = shell("deeper evaluate --data nowhere", tmp_path, **environment)
        assert done.returncode == 2 and done.stderr.startswith("deeper: there is no such folder")


@pytest.mark.parametrize(
    "line",
    [
        "deeper demo --full {run} | head -n 1",
        "deeper demo {run} >&-",
        "deeper demo {run} >&- 2>&-",
        "deeper demo {run} | true",
    ],
)
def test_a_reader_that_stops_or_is_not_there_costs_no_result(line: str, tmp_path: Path) -> None:
    done = shell(line.format(run=f"{' '.join(RUN)} --out run"), tmp_path)
    assert "Traceback" not in done.stderr and "bug in deeper" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert (tmp_path / "run" / "results.json").is_file() and (tmp_path / "run" / "report.html").is_file()
