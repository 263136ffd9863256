"""docs/extend.md, followed to the letter: its files pass their contracts, and commands run with them."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.cli.main import _run  # pyright: ignore[reportPrivateUsage]
from deeper.domains import load_domain
from in_process import run_main

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "extend.md").read_text("utf-8")
FILE = re.compile(r"^`([\w./-]+)`(, at the end)?\n\n```(?:python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {name: (bool(more), text) for name, more, text in FILE.findall(TEXT)}
CHANGE = re.compile(r"^`([\w./-]+)`, changed\n\n```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHANGES = dict(CHANGE.findall(TEXT))
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
SECTIONS = re.findall(r"^## (.+)$", PROSE, re.MULTILINE)
PATHS = sorted(set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", PROSE)) - FILES.keys())
DOTTED = sorted(set(re.findall(r"`(deeper(?:\.\w+)+)`", PROSE)))
PLANTED = re.search(r"^### Compare it on planted users\n(.*?)^### ", TEXT, re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^```\n\$ deeper ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES_IN_FILES = sorted(set(re.findall(r"`(\w+)`\s+(?:of|in)\s+`src/([\w/]+)\.py`", PROSE)))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with the page's files and changes in it."""
    root = tmp_path_factory.mktemp("extend")
    for folder in ("src/deeper", "tests/domains", "tests/engine", "tests/persona", "tests/prepare"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / file, root / file)
    for name, (is_more, text) in FILES.items():
        path = root / name
        assert path.exists() == is_more, name
        path.parent.mkdir(exist_ok=True)
        before = path.read_text("utf-8") + "\n\n" if is_more else ""
        path.write_text(before + text, "utf-8")
    for name, diff in CHANGES.items():
        change(root / name, diff)
    return root


def change(path: Path, diff: str) -> None:
    """Make the changes of a diff; an empty line separates two changes."""
    text = path.read_text("utf-8")
    for hunk in diff.split("\n\n"):
        lines = hunk.strip("\n").splitlines()
        old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] in marks) for marks in (" -", " +"))
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def python(root: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def deeper(root: Path, *words: str) -> str:
    return python(root, "-m", "deeper.cli.main", *words)


def test_a_section_answers_each_question() -> None:
    added = ["A domain", "A raw format", "An updater", "A readout"]
    assert [*added, "A reward", "What the describer says", "The key of a shard", "An engine"] == SECTIONS


def test_each_part_is_one_file_with_a_few_lines_of_a_contract() -> None:
    tests = {name: text for name, (_, text) in FILES.items() if name.startswith("tests/")}
    assert len(FILES) - len(tests) == 5
    assert len(tests) == 4, "the contract of raw formats covers every reader without a new line"
    for text in tests.values():
        [body] = re.findall(r"^class Test\w+\(\w+Contract\):\n((?: {4}.+\n)+)", text, re.MULTILINE)
        assert len(body.splitlines()) <= 3


@pytest.mark.parametrize("path", PATHS)
def test_every_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", DOTTED)
def test_every_dotted_name_on_the_page_can_be_imported(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(module), attribute) or find_spec(name)


@pytest.mark.parametrize(("name", "file"), NAMES_IN_FILES)
def test_every_name_is_in_the_file_that_the_page_says(name: str, file: str) -> None:
    assert hasattr(import_module(file.replace("/", ".")), name)


def test_the_page_names_its_places() -> None:
    assert len(PATHS) > 30 and len(DOTTED) > 5 and len(NAMES_IN_FILES) > 3


def test_they_pass_their_contracts(copy: Path) -> None:
    said = python(copy, "-m", "pytest", "-v", "-p", "no:cacheprovider", *sorted(n for n in FILES if n[:5] == "tests"))
    passed = re.search(r"(\d+) passed", said)
    assert passed and "failed" not in said and "skipped" not in said
    assert said.count("::TestTwoWindows::") == said.count("::TestSlideRegeneration::") > 5
    assert said.count("::TestSquared::") == said.count("::TestStructured::") > 5


def test_the_raw_format_passes_its_contract(copy: Path) -> None:
    words = ["-q", "-p", "no:cacheprovider", "tests/prepare/test_raw_readers.py", "-k", "film_diary"]
    said = python(copy, "-m", "pytest", *words)
    passed = re.search(r"(\d+) passed", said)
    assert passed and int(passed[1]) > 5 and "failed" not in said and "skipped" not in said


def test_they_are_linted_as_the_code_is(copy: Path) -> None:
    ours = [name for name in (*FILES, *CHANGES) if name.startswith("src/")]
    python(copy, "-m", "ruff", "check", *ours)
    python(copy, "-m", "ruff", "format", "--check", *ours)


def test_the_main_job_runs_with_them(copy: Path) -> None:
    domain = load_domain(copy / "my-films" / "domain.toml")
    write_planted(plant_users(8, windows=4, domain=domain), copy / "plants")
    shutil.copy(copy / "plants" / "behaviour.parquet", copy / "my-films")
    words = ["--methods", "two_windows,refine,frozen,user_median", "--roles", "future", "--rounds", "2", "--full"]
    words += ["--readout", "squared"]
    engines = ["--policy-engine", "journal:scripted", "--predictor-engine", "scripted"]
    said = deeper(copy, "evaluate", "--data", "my-films", *words, *engines, "--out", "runs/mine")
    assert "two_windows" in said and "my_films" in said
    rows = pq.read_table(copy / "runs/mine/personas.parquet").to_pylist()
    assert {row["k"] for row in rows if row["method"] == "two_windows"} == {1, 2}
    predictions = pq.read_table(copy / "runs/mine/predictions.parquet").to_pylist()
    assert {row["readout"] for row in predictions} == {"squared"}
    journal = (copy / "journal.jsonl").read_text("utf-8")
    assert len(journal.splitlines()) >= len({row["text"] for row in rows})
    assert "film" in journal
    page = (copy / "runs/mine/report.html").read_text("utf-8")
    assert "--two_windows:" in page and "my_films" in page


def test_the_updater_s_file_runs_from_anywhere(tmp_path: Path) -> None:
    _, text = FILES["src/deeper/persona/updaters/two_windows.py"]
    (tmp_path / "two_windows.py").write_text(text, "utf-8")
    words = ["--users", "3", "--rounds", "2", "--policy-engine", "scripted", "--predictor-engine", "scripted"]
    words += ["--updater", "two_windows.py", "--methods", "refine,frozen,user_median", "--out", "run"]
    with contextlib.chdir(tmp_path):
        done = run_main(_run, "evaluate", *words)
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "run/personas.parquet").to_pylist()
    assert {row["k"] for row in rows if row["method"] == "two_windows"} == {1, 2}
    assert {path.name for path in tmp_path.iterdir()} == {"run", "two_windows.py"}


def test_an_updater_is_compared_on_planted_users_with_the_output_that_the_page_shows(copy: Path) -> None:
    assert PLANTED
    [commands] = re.findall(r"^```\n((?:deeper .+\n)+)```$", PLANTED[1], re.MULTILINE)
    for command in commands.splitlines():
        deeper(copy, *command.split()[1:])
    shown = SHOWN.findall(PLANTED[1])
    assert [command.split()[0] for command, _ in shown] == ["compare", "synth"]
    for command, output in shown:
        said = deeper(copy, *command.split())
        assert [line.rstrip() for line in said.splitlines()] == [line.rstrip() for line in output.splitlines()]
        assert "two_windows" in output


def test_raw_files_of_the_format_are_prepared(copy: Path) -> None:
    deeper(copy, "synth", "raw", "movielens_20m", "--format", "film_diary", "--ratings", "20000", "--out", "made/diary")
    deeper(copy, "prepare", "movielens_20m", "--raw", "made/diary", "--out", "data/diary")
    assert pq.read_table(copy / "data/diary/windows.parquet").num_rows > 0
