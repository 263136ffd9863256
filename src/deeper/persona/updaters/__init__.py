"""The updaters, one module each.

An updater is a function from what may be seen at round t to the prompt that asks for the next persona. Its module's
name is the method's name. It needs a function `update`, and `SHORT_TERM = True` if a persona of W_t alone must be
written first. To add one to every command, add a module to this folder. The setting `updater` takes one from any file.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from deeper.engine import Prompt
from deeper.errors import UserError
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import UpdateInput, Updater

_OF_THE_PAPER = ("refine", "incremental_update", "hierarchical_merge", "full_regeneration", "slide_regeneration")
"""The paper's updaters in the order of tables. Others follow by name."""

_names = sorted(module.name for module in iter_modules(__path__))
_ordered = [*_OF_THE_PAPER, *(name for name in _names if name not in _OF_THE_PAPER)]

Updaters = Mapping[str, ModuleType]
"""Modules of updaters by the names of their methods."""


def needs_short_term(updater: ModuleType) -> bool:
    """Whether an updater needs a short-term persona of W_t first."""
    return bool(getattr(updater, "SHORT_TERM", False))


def prompt_of(updater: ModuleType, prompts: Prompts, seen: UpdateInput) -> Prompt:
    """Ask an updater for its prompt.

    Raises:
        UserError: It returned something else.
    """
    prompt = updater.update(prompts, seen)
    if not isinstance(prompt, Prompt):
        do = "return a Prompt from update, as prompts.render and initial_prompt do"
        raise UserError(f"update returned {type(prompt).__name__}, not a Prompt", where=str(updater.__file__), do=do)
    return prompt


MODULES: Updaters = {name: import_module(f"{__name__}.{name}") for name in _ordered}
UPDATERS: Mapping[str, Updater] = {name: module.update for name, module in MODULES.items()}
SHORT_TERM = frozenset(name for name, module in MODULES.items() if needs_short_term(module))
"""The updaters of this folder that need a short-term persona of W_t first."""
