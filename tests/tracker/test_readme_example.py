"""The README's lines of Python run as they stand, and `import deeper` alone imports nothing."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tracker_example
from deeper.commands.execution import engines as engine_choice
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.tracker import PersonaTracker


def check(folder: Path, printed: str) -> None:
    """Four users were observed, and their personas are printed and kept."""
    kept = [path for path in folder.rglob("versions.parquet")]
    assert len(kept) == 1
    rows = pq.read_table(kept[0]).to_pylist()
    assert [row["method"] for row in rows] == ["initialise", "refine"] * 4
    assert rows[1]["text"] and rows[1]["text"] in printed
    assert "[" in printed and len(printed.splitlines()) == 3


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.chdir(tmp_path)
    exec(compile(tracker_example.example(), "README.md", "exec"), {"__name__": "example"})
    return capsys.readouterr().out


def test_it_is_about_ten_lines() -> None:
    lines = [line for line in tracker_example.example().splitlines() if line.strip()]
    assert 6 <= len(lines) <= 10


def test_it_runs_with_the_scripted_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine_choice, "make_engine", lambda *_: ScriptedEngine())
    check(tmp_path, run(monkeypatch, tmp_path, capsys))
    with PersonaTracker.load(tmp_path / "personas") as again:
        assert len(again.users) == 4 and again.predict(again.users[0], ["Heat (1995)"]).calibrated == "off"


@pytest.mark.embedded
def test_it_runs_with_the_small_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(tmp_path, run(monkeypatch, tmp_path, capsys))


def test_importing_the_package_alone_imports_no_engine_and_no_library() -> None:
    heavy = ["numpy", "pyarrow", "pydantic", "rich", "openvino", "openvino_genai", "openai", "torch", "deeper.tracker"]
    program = f"import sys, deeper; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
    program = "import sys; from deeper import PersonaTracker; print('openvino_genai' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
