"""A hash of code changes with what the code does, in whatever module it stands, and with nothing else."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from types import ModuleType

import pytest

from deeper.engine.scripted.engine import ScriptedEngine
from deeper.persona.predict import predict
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.stages import initialise, update
from deeper.persona.updaters import MODULES, UPDATERS
from deeper.persona.write import Writer
from deeper.storage.code_hash import code_hash, code_modules

MINE = '''"""Doubles."""

from mine_helper import factor


def double(n: int) -> int:
    """Twice."""
    return factor() * n  # two
'''
HELPER = "def factor() -> int:\n    return 2\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module of one's own that imports another one."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    (tmp_path / "mine_helper.py").write_text(HELPER, "utf-8")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield importlib.import_module("mine")
    forget()


def edit(folder: Path, name: str, change: Callable[[str], str]) -> ModuleType:
    """Change a module and load both again."""
    path = folder / f"{name}.py"
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    forget()
    return importlib.import_module("mine")


def forget() -> None:
    for name in ("mine", "mine_helper"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("mine", "factor() * n", "factor() + n"), ("mine_helper", "return 2", "return 3")],
)
def test_it_changes_with_the_code_and_with_what_the_code_imports(
    mine: ModuleType, tmp_path: Path, name: str, old: str, new: str
) -> None:
    before = code_modules(mine.double)
    assert before.keys() == {"mine", "mine_helper"}
    after = code_modules(edit(tmp_path, name, lambda text: text.replace(old, new)).double)
    assert [module for module in before if before[module] != after[module]] == [name]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # two", ""),
        ('"""Twice."""', '"""Two times."""'),
        ('"""Doubles."""', '"""Doubles a number."""'),
        ("\n\n\n", "\n\n"),
    ],
)
def test_comments_docstrings_and_layout_are_no_change(mine: ModuleType, tmp_path: Path, old: str, new: str) -> None:
    before = code_hash(mine.double)
    edited = edit(tmp_path, "mine", lambda text: text.replace(old, new))
    assert (tmp_path / "mine.py").read_text("utf-8") != MINE
    assert code_hash(edited.double) == before


def test_an_edit_of_a_loaded_module_counts_once_it_is_loaded_again(mine: ModuleType, tmp_path: Path) -> None:
    before = code_hash(mine.double)
    path = tmp_path / "mine_helper.py"
    path.write_text("def factor() -> int:\n    return 3\n", "utf-8")
    assert (code_hash(mine.double), mine.double(1)) == (before, 2)
    forget()
    again = importlib.import_module("mine")
    assert code_hash(again.double) != before
    assert again.double(1) == 3


def test_it_sees_through_partial_functions_closures_methods_and_objects(mine: ModuleType) -> None:
    class Holder:
        def __init__(self) -> None:
            self.function = mine.double

        def call(self) -> int:
            return self.function(1)

    @wraps(print)
    def wrapped(*, by: Callable[[int], int] = mine.double) -> int:
        return by(1) + (later if mine is None else 0)

    if mine is None:
        later = 1
    held = mine.double
    for thing in (partial(print, held), lambda: held, Holder(), Holder().call, {"a": [held]}, mine, wrapped):
        assert "mine_helper" in code_modules(thing)
    assert "mine" not in code_modules(print, len, str, Path, importlib)


def test_it_imports_nothing() -> None:
    code = (
        "import sys\n"
        "from deeper.commands.train.from_pairs import train_dpo\n"
        "from deeper.storage.code_hash import code_modules\n"
        "assert 'deeper.learning.training.dpo' in code_modules(train_dpo)\n"
        "assert not {'torch', 'transformers', 'openvino'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_a_policy_and_a_predictor_do_is_in_their_stages() -> None:
    writer = Writer(ScriptedEngine(), load_prompts(), 72, 1)
    written = code_modules(partial(update, writer=writer, domains={}, updaters={"refine": MODULES["refine"]}))
    persona = {f"deeper.persona.{name}" for name in ("write", "leaks", "updaters.refine", "prompts.item_lines")}
    assert {*persona, "deeper.domains.levels"} <= written.keys()
    assert "deeper.engine.scripted.engine" in written
    assert "deeper.persona.updaters.slide_regeneration" not in written
    read = code_modules(partial(predict, engine=writer.engine, prompts=writer.prompts, domains={}))
    assert {"deeper.persona.predict", "deeper.measure.metrics", "deeper.engine.scripted.engine"} <= read.keys()


def test_what_only_shows_results_is_in_no_stage() -> None:
    found = code_modules(initialise, update, predict, *UPDATERS.values())
    rooms = {name.split(".")[1] for name in found}
    assert rooms == {"behaviour", "domains", "engine", "errors", "measure", "persona", "storage"}
