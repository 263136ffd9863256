"""The kinds of engines, a module each, found by their names; a module that is put here is an engine of every command.

It has `SPECS`, the ways in which its engines are named ("NAME", "NAME:WHAT"), and a function `make(rest, adapter)`,
which gets what stands behind the colon. It imports nothing heavy before an engine is made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from deeper.engine.protocol import Engine


@dataclass(frozen=True)
class Kind:
    """One kind of engine.

    Attributes:
        specs: How its engines are named.
        make: Makes one of what stands behind the colon ("" if nothing does) and of an adapter ("" for none).
    """

    specs: tuple[str, ...]
    make: Callable[[str, str], Engine]

    def accepts(self, colon: str, rest: str) -> bool:
        """Whether a name of this form is one of `specs`."""
        return bool(colon) == bool(rest) and any((":" in spec) == bool(rest) for spec in self.specs)


def _load(name: str) -> Kind:
    module = import_module(f"{__name__}.{name}")
    return Kind(module.SPECS, module.make)


KINDS: Mapping[str, Kind] = {module.name: _load(module.name) for module in iter_modules(__path__)}
