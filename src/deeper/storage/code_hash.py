"""Hashes of code. They are part of a shard's name, so a result is made again when the code that shapes it changes.

Takes functions, classes or objects. Each counts with its module and with all modules of the project that this one
imports, directly or not; so does what an object or a partial function holds. The project is this package and all
modules that are neither Python's own nor installed, such as your extensions. Comments, docstrings and layout do not
count.
"""

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache, partial
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

PACKAGE = __name__.partition(".")[0]
_INSTALLED = tuple(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib"))


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
        stat = path.stat()
        hashes[name], imported = _read(name, path, stat.st_mtime_ns, stat.st_size)
        left += imported
    return dict(sorted(hashes.items()))


def code_hash(*things: Any) -> str:
    """One hash of `code_modules`: 16 hexadecimal digits."""
    return joint_hash(code_modules(*things))


def joint_hash(modules: Mapping[str, str]) -> str:
    """One hash of a result of `code_modules`: 16 hexadecimal digits."""
    return _digest(repr(sorted(modules.items())))


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
        held = [cell.cell_contents for cell in thing.__closure__ or ()]
    elif isinstance(thing, type):
        yield thing.__module__
    elif isinstance(thing, Mapping):
        held = list(thing.values())
    elif isinstance(thing, list | tuple | set | frozenset):
        held = list(thing)
    elif _source(type(thing).__module__) is not None:
        yield type(thing).__module__
        held = list(getattr(thing, "__dict__", {}).values())
    for part in held:
        yield from _modules_of(part, seen)


def _source(name: str) -> Path | None:
    """The file of a module of the project; None for other modules."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if module is None:
        file = _file_of(name)
    if file is None or not file.endswith(".py") or name == PACKAGE:
        return None
    path = Path(file).resolve()
    is_installed = str(path).startswith(_INSTALLED) and name.partition(".")[0] != PACKAGE
    return None if is_installed or not path.is_file() else path


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
    # `from module import name` names no module.
    places = around.submodule_search_locations if around else None
    return None if places is None else PathFinder.find_spec(name, places)


@cache
def _read(name: str, path: Path, modified_ns: int, size: int) -> tuple[str, tuple[str, ...]]:
    """The hash of a module's code, and the names that it imports. Cached until the file changes."""
    del modified_ns, size
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
