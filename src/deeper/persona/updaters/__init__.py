"""The updaters, a module each: a function from what may be seen to the prompt that asks for the next persona.

A module in this folder is a method of every command, under its own name. It has a function `update`, and
`SHORT_TERM = True` if it needs a persona of W_t alone first.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from deeper.persona.update_input import Updater

_FIRST = ("refine", "incremental_update", "hierarchical_merge", "full_regeneration", "slide_regeneration")
"""The paper's, in the order of tables; others follow by name."""

_names = sorted(module.name for module in iter_modules(__path__))
_modules = {name: import_module(f"{__name__}.{name}") for name in (*_FIRST, *(n for n in _names if n not in _FIRST))}

UPDATERS: Mapping[str, Updater] = {name: module.update for name, module in _modules.items()}
SHORT_TERM = frozenset(name for name, module in _modules.items() if getattr(module, "SHORT_TERM", False))
"""Updaters that need a short-term persona of W_t first."""
