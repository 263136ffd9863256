"""Updaters from files of the user's: each file is a method beside the built-in ones, and has its name."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from deeper.errors import UserError
from deeper.evaluation.methods import METHODS, NAME
from deeper.persona.updaters import MODULES, Updaters

TAKEN = {*METHODS, "initialise", "user"}
"""What tables call something else."""


def own_methods(files: Iterable[str]) -> tuple[str, ...]:
    """The methods of some files, each the file's name without `.py`.

    Raises:
        ValueError: A name cannot be a method's, is taken, or stands twice.
    """
    names: list[str] = []
    for file in files:
        path = Path(file)
        if path.suffix != ".py" or not re.fullmatch(NAME, path.stem):
            raise ValueError(f"{file}: the file's name is the method's name; name it like two_windows.py")
        if path.stem in TAKEN or path.stem in names:
            raise ValueError(f"{file}: there is a method {path.stem} already; give the file another name")
        names.append(path.stem)
    return tuple(names)


def load_updaters(files: Iterable[str]) -> Updaters:
    """The built-in updaters, and those in some files. A file is read anew each time.

    Raises:
        UserError: A file cannot be read, or has no function `update`.
    """
    return {**MODULES, **{Path(file).stem: _load(Path(file).expanduser()) for file in files}}


def only_updater(file: str) -> Updaters:
    """The single updater of a command that has no methods to compare: the one in a file, or `refine` without a file.

    Raises:
        UserError: As for `load_updaters`.
    """
    method = Path(file).stem if file else "refine"
    return {method: load_updaters([file] if file else [])[method]}


def _load(path: Path) -> ModuleType:
    try:
        source = path.read_bytes()
    except OSError as error:
        do = "give the file of an updater, as docs/extend.md shows one"
        raise UserError(f"the updater cannot be read ({error.strerror})", where=str(path), do=do) from error
    module = ModuleType(f"own_updaters.{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and the hash of its code look for it there
    # Python's import would keep compiled code beside the file, and take a quick second edit for the first.
    exec(compile(source, str(path), "exec"), vars(module))
    if not callable(getattr(module, "update", None)):
        do = "define update(prompts, seen), as docs/extend.md shows it"
        raise UserError("the updater has no function update", where=str(path), do=do)
    return module
