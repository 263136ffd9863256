"""docs/extend.md, followed to the letter: its files pass their contracts, and the main job runs with them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.domains import load_domain

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "extend.md"
FILE = re.compile(r"^`([\w./-]+)`(, at the end)?\n\n```(?:python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {name: (bool(more), text) for name, more, text in FILE.findall(PAGE.read_text("utf-8"))}
SECTIONS = re.findall(r"^## (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with the page's files in it."""
    root = tmp_path_factory.mktemp("extend")
    for folder in ("src/deeper", "tests/domains", "tests/engine", "tests/persona"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / file, root / file)
    for name, (is_more, text) in FILES.items():
        path = root / name
        assert path.exists() == is_more, name
        path.parent.mkdir(exist_ok=True)
        before = path.read_text("utf-8") + "\n\n" if is_more else ""
        path.write_text(before + text, "utf-8")
    return root


def python(root: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_each_is_one_file_and_one_line_of_a_contract() -> None:
    assert SECTIONS == ["A domain", "An updater", "An engine"]
    tests = {name: text for name, (_, text) in FILES.items() if name.startswith("tests/")}
    assert len(tests) == len(FILES) - len(tests) == 3
    for text in tests.values():
        [body] = re.findall(r"^class Test\w+\(\w+Contract\):\n((?: {4}.+\n)+)", text, re.MULTILINE)
        assert len(body.splitlines()) == 1


def test_they_pass_their_contracts(copy: Path) -> None:
    said = python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *sorted(n for n in FILES if n[:5] == "tests"))
    passed = re.search(r"(\d+) passed", said)
    assert passed and "failed" not in said and "skipped" not in said
    listed = python(copy, "-m", "pytest", "-q", "--collect-only", "tests/persona/test_updaters.py")
    assert listed.count("TestTwoWindows") == listed.count("TestSlideRegeneration") > 5


def test_they_are_linted_as_the_code_is(copy: Path) -> None:
    ours = [name for name in FILES if name.startswith("src/")]
    python(copy, "-m", "ruff", "check", *ours)
    python(copy, "-m", "ruff", "format", "--check", *ours)


def test_the_main_job_runs_with_them(copy: Path) -> None:
    domain = load_domain(copy / "my-films" / "domain.toml")
    write_planted(plant_users(8, windows=4, domain=domain), copy / "planted")
    shutil.copy(copy / "planted" / "behaviour.parquet", copy / "my-films")
    words = ["--methods", "two_windows,refine,frozen,user_median", "--roles", "future", "--rounds", "2", "--full"]
    engines = ["--policy-engine", "journal:scripted", "--predictor-engine", "scripted"]
    said = python(
        copy, "-m", "deeper.cli.main", "evaluate", "--data", "my-films", *words, *engines, "--out", "runs/mine"
    )
    assert "two_windows" in said and "my_films" in said
    rows = pq.read_table(copy / "runs/mine/personas.parquet").to_pylist()
    assert {row["k"] for row in rows if row["method"] == "two_windows"} == {1, 2}
    journal = (copy / "journal.jsonl").read_text("utf-8")
    assert len(journal.splitlines()) >= len({row["text"] for row in rows})
    assert "film" in journal
    page = (copy / "runs/mine/report.html").read_text("utf-8")
    assert "--two_windows:" in page and "my_films" in page
