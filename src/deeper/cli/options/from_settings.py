"""Flags made from settings: flag, configuration key and Python argument share name and help text."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, get_args, get_origin

import click
from pydantic import BaseModel

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
    "updater": "FILE.py or NAME,…",
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
            is_list, is_flag, is_table = (isinstance(default, kind) for kind in (tuple, bool, BaseModel))
            shown = "" if is_table else ",".join(map(str, default)) if is_list else str(default)
            explained = "" if name == "methods" or is_flag or not shown else f"  [default: {shown}]"
            choices = get_args(field.annotation) if get_origin(field.annotation) not in (tuple, None) else ()
            function = click.option(
                f"--{name.replace('_', '-')}",
                name,
                is_flag=is_flag,
                default=None,
                multiple=is_list,
                type=click.Choice(choices) if choices and not is_list else None,
                metavar=None if is_flag or (choices and not is_list) else _metavar(name, default, field.annotation),
                help=f"{field.description}{explained}",
            )(function)
        return function

    return decorate


def _metavar(name: str, default: Any, annotation: Any) -> str:
    if isinstance(default, BaseModel):
        return "NAME=VALUE,…"
    if not isinstance(default, tuple):
        return type(default).__name__.upper()
    holds_numbers = bool({int, float} & set(get_args(annotation)))
    return METAVARS.get(name, "NUMBER,…" if holds_numbers else "NAME,…")


def preset_option(presets: Iterable[str], about: str) -> Callable[[F], F]:
    """Add an option that chooses a set of defaults; `about` explains each."""
    choice = click.Choice(list(presets))
    return click.option("--preset", type=choice, default="small", show_default=True, help=f"Set of defaults: {about}")


def given(flags: dict[str, Any], kind: type[RunSettings] = Settings) -> dict[str, Any]:
    """The flags that the user gave. A list may be one flag with commas, several flags, or both."""
    found: dict[str, Any] = {}
    for name, value in flags.items():
        is_list = isinstance(kind.model_fields[name].default, tuple)
        if is_list and value:
            found[name] = tuple(part.strip() for part in ",".join(value).split(",") if part.strip())
        elif not is_list and value is not None:
            found[name] = value
    return found
