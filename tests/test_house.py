"""The rules of the house: small modules, small folders, one meaning a name, and folders that say what they hold."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "deeper"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})

LONGEST_MODULE_LINES = 300
LARGEST_FOLDER_MODULES = 14
"""Without `__init__.py`."""
LARGE_FOLDERS = {"cli": "a module for each command, and main"}
COMMANDS = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
"""A command is parsed in `cli/NAME.py` and done in `commands/NAME`, or in the room that it belongs to."""
SHARED_NAMES = {
    "settings": "the settings of a command, and what all settings have",
    "schema": "the Arrow schemas of a room's tables",
    "engine": "the engine of each runtime",
    "recipe": "the constants of a room that shape results",
    "tables": "the tables that a room makes, in files or on the terminal",
    "layout": "the names of the files that commands leave",
    "reality": "whether a reward is real: its figures, and their page",
    "start": "what a training starts from",
    "preview": "one user shown before the others: its figures, and how they are printed",
}
"""Names that several modules have, each with its one meaning."""


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_a_module_is_short(module: Path) -> None:
    lines = len(module.read_text("utf-8").splitlines())
    assert lines <= LONGEST_MODULE_LINES, "split it by ideas"


@pytest.mark.parametrize("folder", FOLDERS, ids=place)
def test_a_folder_holds_few_modules(folder: Path) -> None:
    modules = [path.stem for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= LARGEST_FOLDER_MODULES or place(folder) in LARGE_FOLDERS, "make rooms of it"


def test_a_name_that_several_modules_have_has_one_meaning() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for module in MODULES:
        if module.name != "__init__.py":
            places[module.stem].append(place(module))
    unexplained = {
        name: found
        for name, found in places.items()
        if len(found) > 1 and name not in SHARED_NAMES and name not in COMMANDS
    }
    assert not unexplained, "rename one of them, or say in SHARED_NAMES what both mean"


@pytest.mark.parametrize("folder", FOLDERS, ids=place)
def test_a_folder_says_what_it_holds(folder: Path) -> None:
    package = folder / "__init__.py"
    assert package.is_file(), "it is no package"
    docstring = ast.get_docstring(ast.parse(package.read_text("utf-8")))
    assert docstring and docstring.splitlines()[0].endswith("."), "its docstring has to say what the folder holds"
