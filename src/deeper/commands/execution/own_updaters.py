"""Updaters of the user's: files, or modules of installed packages. Each is a method beside the built-in ones."""

import re
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from deeper.errors import UserError, choose_from
from deeper.evaluation.methods import METHODS, NAME
from deeper.persona.updaters import MODULES, Updaters
from deeper.storage.code_hash import UPDATER_GROUP

TAKEN = {*METHODS, "initialise", "user"}
"""What tables call something else."""


def own_methods(updaters: Iterable[str]) -> tuple[str, ...]:
    """The methods of some updaters: each a file, whose name without `.py` it is, or the name of an installed updater.

    Raises:
        ValueError: A name cannot be a method's, is taken, or stands twice.
    """
    names: list[str] = []
    for updater in updaters:
        name = _method(updater)
        if not re.fullmatch(NAME, name):
            do = "name it like two_windows.py, or give the name of an installed updater"
            raise ValueError(f"{updater}: the file's name is the method's name; {do}")
        if name in TAKEN or name in names:
            raise ValueError(f"{updater}: there is a method {name} already; give the updater another name")
        names.append(name)
    return tuple(names)


def load_updaters(updaters: Iterable[str]) -> Updaters:
    """The built-in updaters, and those that `own_methods` names. A file is read anew each time.

    Raises:
        UserError: A file cannot be read, no installed package has such an updater, or it has no function `update`.
    """
    return {**MODULES, **{_method(updater): _load(updater) for updater in updaters}}


def only_updater(updater: str) -> Updaters:
    """The single updater of a command that has no methods to compare: the one given, or `refine` without one.

    Raises:
        UserError: As for `load_updaters`.
    """
    method = _method(updater) if updater else "refine"
    return {method: load_updaters([updater] if updater else [])[method]}


def sampled_updaters(methods: Sequence[str], updater: str) -> Updaters:
    """The updaters of `deeper sample`, in order: built-in ones, and in the place of `refine` the given one, if any.

    Raises:
        UserError: As for `load_updaters`.
    """
    [(own, module)] = only_updater(updater).items()
    return {own if name == "refine" else name: module if name == "refine" else MODULES[name] for name in methods}


def _method(updater: str) -> str:
    return Path(updater).stem if _is_file(updater) else updater


def _is_file(updater: str) -> bool:
    return Path(updater).suffix == ".py"


def _load(updater: str) -> ModuleType:
    module = _from_file(Path(updater).expanduser()) if _is_file(updater) else _installed(updater)
    if not callable(getattr(module, "update", None)):
        do = "define update(prompts, seen), as docs/extend.md shows it"
        raise UserError("the updater has no function update", where=module.__file__ or updater, do=do)
    return module


def _from_file(path: Path) -> ModuleType:
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
    return module


def _installed(name: str) -> ModuleType:
    """The module of the entry point of this name."""
    found = entry_points(group=UPDATER_GROUP, name=name)
    if not found:
        known = sorted(entry_points(group=UPDATER_GROUP).names)
        do = choose_from(known, name) if known else "install its package, or give a file such as mine.py"
        raise UserError(f"no installed package has an updater {name}", where="updater", do=do)
    if len(found) > 1:
        packages = ", ".join(sorted(entry.dist.name for entry in found if entry.dist))
        do = "uninstall all but one"
        raise UserError(f"several installed packages have an updater {name}", where=packages, do=do)
    [entry] = found
    if (entry.attr or "update") != "update":
        do = f'name a module with a function update: {name} = "{entry.module}"'
        raise UserError(f"the entry point {name} names no module", where=entry.value, do=do)
    try:
        return import_module(entry.module)
    except ModuleNotFoundError as error:
        if not f"{entry.module}.".startswith(f"{error.name}."):
            raise
        do = "install the package again, or correct its entry point"
        raise UserError(f"the updater {name} is not there: {error}", where=entry.value, do=do) from error
