"""Flags made from settings: flag, configuration key and Python argument share name and help text."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, get_args, get_origin

import click

from deeper.commands.evaluate.settings import Settings
from deeper.storage.settings import RunSettings

METAVARS = {
    "columns": "FIELD=COLUMN,…",
    "meta": "FILE,…",
    "parts": "PART,…",
    "personas": "FILE,…",
    "ratings": "FILE,…",
    "roles": "ROLE,…",
    "unrated": "NUMBER,…",
}
"""How help texts name the values of lists that are neither names nor numbers."""

F = TypeVar("F", bound=Callable[..., Any])


def settings_options(preset: dict[str, Any], kind: type[RunSettings] = Settings) -> Callable[[F], F]:
    """Add one option for each setting.

    Args:
        preset: The command's own defaults, which its help shows in place of the settings'.
        kind: The settings' class.
    """

    def decorate(function: F) -> F:
        for name, field in reversed(kind.model_fields.items()):
            default = preset.get(name, field.default)
            shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
            is_list, is_flag = isinstance(default, tuple), isinstance(default, bool)
            explained = "" if name == "methods" or is_flag or not shown else f"  [default: {shown}]"
            choices = get_args(field.annotation) if get_origin(field.annotation) not in (tuple, None) else ()
            function = click.option(
                f"--{name.replace('_', '-')}",
                name,
                is_flag=is_flag,
                default=None,
                type=click.Choice(choices) if choices and not is_list else None,
                metavar=None
                if is_flag or (choices and not is_list)
                else (_list_metavar(name, field.annotation) if is_list else type(default).__name__.upper()),
                help=f"{field.description}{explained}",
            )(function)
        return function

    return decorate


def _list_metavar(name: str, annotation: Any) -> str:
    holds_numbers = bool({int, float} & set(get_args(annotation)))
    return METAVARS.get(name, "NUMBER,…" if holds_numbers else "NAME,…")


def preset_option(presets: Iterable[str], about: str) -> Callable[[F], F]:
    """Add an option that chooses a set of defaults; `about` explains each."""
    choice = click.Choice(list(presets))
    return click.option("--preset", type=choice, default="small", show_default=True, help=f"Set of defaults: {about}")


def given(flags: dict[str, Any], kind: type[RunSettings] = Settings) -> dict[str, Any]:
    """The flags that the user gave, with lists split at commas."""
    found: dict[str, Any] = {}
    for name, value in flags.items():
        if value is not None:
            is_list = isinstance(kind.model_fields[name].default, tuple)
            found[name] = tuple(part.strip() for part in value.split(",") if part.strip()) if is_list else value
    return found
