"""File names of run folders stand in `storage/layout.py`, and nowhere else."""

import re
from pathlib import Path

import deeper
from deeper.storage import layout

PACKAGE = Path(deeper.__file__).parent
NAMES = {value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)}
ROOMS = ("evaluation", "report", "commands/evaluate", "commands/sample", "commands/reward", "commands/export")
"""The rooms that write and read run folders."""


def test_every_name_stands_once() -> None:
    assert len(NAMES) == sum(name.isupper() for name in vars(layout))


def test_no_other_module_spells_a_name() -> None:
    spelled = re.compile("|".join(re.escape(f'"{name}"') for name in NAMES if "." in name))
    modules = [path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")]
    assert len(modules) > 20
    assert [str(path) for path in modules if spelled.search(path.read_text("utf-8"))] == []
