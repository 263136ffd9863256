"""Hashes of code. A result is made again when the code that shapes it changes.

They decide whether a shard, a step of `deeper learn` or a prepared file is made again, and stand in adapters' cards.

Takes functions, classes or objects. Each counts with its module and with all modules of the project that this one
imports, directly or not; so does what an object or a partial function holds. The project is this package, all modules
that are neither Python's own nor installed, such as your extensions, and installed packages that offer updaters.
Comments, docstrings and layout do not count.
"""

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

PACKAGE = __name__.partition(".")[0]
_PYTHON = str(Path(sysconfig.get_path("stdlib")).resolve())
_INSTALLED = {"site-packages", "dist-packages"}
UPDATER_GROUP = "deeper.updaters"
"""The group of entry points by which an installed package offers updaters."""


def code_modules(*things: Any) -> dict[str, str]:
    """Find the modules of the project that decide what `things` do, and hash each.

    Args:
        things: Functions, partial functions, methods, classes, objects or modules.

    Returns:
        16 hexadecimal digits by module name, sorted.
    """
    hashes: dict[str, str] = {}
    left = [name for thing in things for name in _modules_of(thing, set())]
    while left:
        name = left.pop()
        path = _source(name)
        if name in hashes or path is None:
            continue
        hashes[name], imported = _read_loaded(name, path)
        left += imported
    return dict(sorted(hashes.items()))


def code_hash(*things: Any) -> str:
    """One hash of `code_modules`: 16 hexadecimal digits."""
    return joint_hash(code_modules(*things))


def joint_hash(modules: Mapping[str, str]) -> str:
    """One hash of a result of `code_modules`: 16 hexadecimal digits."""
    return _digest(repr(sorted(modules.items())))


def own_hash(*modules: ModuleType) -> str:
    """One hash of these modules alone, without what they import: 16 hexadecimal digits."""
    paths = {module.__name__: Path(str(module.__file__)) for module in modules}
    return joint_hash({name: _read_loaded(name, path)[0] for name, path in paths.items()})


def _modules_of(thing: Any, seen: set[int]) -> Iterator[str]:
    """Names of the modules that define a thing and what it holds."""
    if id(thing) in seen or isinstance(thing, str | bytes | int | float | None):
        return
    seen.add(id(thing))
    held: list[Any] = []
    if isinstance(thing, ModuleType):
        yield thing.__name__
    elif isinstance(thing, partial):
        held = [thing.func, *thing.args, *thing.keywords.values()]
    elif isinstance(thing, MethodType):
        held = [thing.__func__, thing.__self__]
    elif isinstance(thing, FunctionType):
        yield thing.__module__
        held = [getattr(thing, "__wrapped__", None), thing.__defaults__, thing.__kwdefaults__, *_enclosed(thing)]
    elif isinstance(thing, type):
        yield thing.__module__
    else:
        is_own = _source(type(thing).__module__) is not None
        if is_own:
            yield type(thing).__module__
            held = list(getattr(thing, "__dict__", {}).values())
        if isinstance(thing, Mapping):
            held += thing.values()
        elif isinstance(thing, list | tuple | set | frozenset):
            held += thing
    for part in held:
        yield from _modules_of(part, seen)


def _enclosed(function: FunctionType) -> list[Any]:
    """What a function holds from the function around it."""
    held: list[Any] = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty cell: the name has no value yet
            held.append(cell.cell_contents)
    return held


def _source(name: str) -> Path | None:
    """The file of a module of the project; None for other modules."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if module is None:
        file = _file_of(name)
    if file is None or not file.endswith(".py") or name == PACKAGE:
        return None
    path = Path(file).resolve()
    return None if is_library(path) and name.partition(".")[0] != PACKAGE or not path.is_file() else path


def is_library(path: Path) -> bool:
    """Whether a file belongs to Python itself, or was installed with pip or the system and offers no updaters."""
    places = [i for i, part in enumerate(path.parts[:-1]) if part in _INSTALLED]
    if not places:
        return path.is_relative_to(_PYTHON)
    return path.parts[places[-1] + 1].removesuffix(".py") not in _extensions(tuple(sys.path))


@cache
def _extensions(path: tuple[str, ...]) -> frozenset[str]:
    """The packages among those installed on a path that offer updaters."""
    del path
    return frozenset(entry.module.partition(".")[0] for entry in entry_points(group=UPDATER_GROUP))


def _file_of(name: str) -> str | None:
    """The file of a module that is not imported yet."""
    spec = _spec(name)
    return spec.origin if spec else None


@cache
def _spec(name: str) -> ModuleSpec | None:
    """Find a module without importing the packages around it, which may take seconds (torch)."""
    package = name.rpartition(".")[0]
    if not package:
        try:
            return importlib.util.find_spec(name)
        except ValueError:  # a module without a specification, such as __main__
            return None
    around = _spec(package)
    try:
        # `from module import name` names no module.
        places = around.submodule_search_locations if around else None
        return None if places is None else PathFinder.find_spec(name, list(places))
    except KeyError:  # a folder without __init__.py looks for the package around it, which is not imported
        return None


def _read_loaded(name: str, path: Path) -> tuple[str, tuple[str, ...]]:
    """The hash of a module and the names that it imports. An edit counts once the module is loaded again."""
    stat = path.stat()
    return _read(name, path, sys.modules.get(name) or (stat.st_mtime_ns, stat.st_size))


@cache
def _read(name: str, path: Path, state: ModuleType | tuple[int, int]) -> tuple[str, tuple[str, ...]]:
    """Read a module's code. Cached for a loaded module, else until time or size of the file (`state`) changes."""
    del state
    tree = ast.parse(path.read_bytes())
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            module = ".".join(filter(None, [start if node.level else "", node.module]))
            imported |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    for parent in [*imported, name]:
        imported |= {parent.rsplit(".", i)[0] for i in range(1, parent.count(".") + 1)}
    candidates = sorted(module for module in imported if module.partition(".")[0] not in sys.stdlib_module_names)
    return _digest(_normalised(tree)), tuple(candidates)


def _normalised(tree: ast.AST) -> str:
    """The code without docstrings (strings that stand alone). A syntax tree holds no comments and no layout."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list):
                setattr(node, name, [line for line in body if not _is_text(line)])
    return ast.dump(tree, annotate_fields=False)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
