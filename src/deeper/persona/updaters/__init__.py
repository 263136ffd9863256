"""The updaters, one module each.

An updater is a function from what may be seen at round t to the prompt that asks for the next persona. To add one to
every command, add a module to this folder; its name is the method's name. It needs a function `update`, and
`SHORT_TERM = True` if a persona of W_t alone must be written first.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from deeper.persona.update_input import Updater

_OF_THE_PAPER = ("refine", "incremental_update", "hierarchical_merge", "full_regeneration", "slide_regeneration")
"""The paper's updaters in the order of tables. Others follow by name."""

_names = sorted(module.name for module in iter_modules(__path__))
_ordered = [*_OF_THE_PAPER, *(name for name in _names if name not in _OF_THE_PAPER)]

MODULES: Mapping[str, ModuleType] = {name: import_module(f"{__name__}.{name}") for name in _ordered}
UPDATERS: Mapping[str, Updater] = {name: module.update for name, module in MODULES.items()}
SHORT_TERM = frozenset(name for name, module in MODULES.items() if getattr(module, "SHORT_TERM", False))
"""Updaters that need a short-term persona of W_t first."""
