"""Colours and dashes of the methods, the same in every page and figure."""

from collections.abc import Iterable
from typing import NamedTuple

from deeper.evaluation.methods import CONTROLS, HISTORY_ONLY, TABLE, Group


class Ink(NamedTuple):
    """How a method is drawn: its colour on white and on black (contrast at least 4.5), and the dashes of its line."""

    light: str
    dark: str
    dash: str = ""


OWN_INK = Ink("#5b46a8", "#b7a6f5", "5 2")
"""Of updaters that have no ink of their own."""
INKS = {
    "refine": Ink("#0063a6", "#6db8ff"),
    "incremental_update": Ink("#8a5a00", "#e3b34f"),
    "hierarchical_merge": Ink("#00734f", "#4fd1a5"),
    "full_regeneration": Ink("#a3307a", "#f095c8"),
    "slide_regeneration": Ink("#b83a00", "#ff9a66"),
    "frozen": Ink("#5c5c5c", "#b4b4b4", "2 3"),
    "user_median": Ink("#111111", "#f2f2f2", "6 3"),
    **{method.name: Ink("#6f6f6f", "#9d9d9d", "1 3") for method in TABLE if method.group is Group.NUMBERS_ONLY},
    **{name: Ink("#4d6a7d", "#93b3c7", "4 2 1 2") for name in (*CONTROLS, HISTORY_ONLY)},
}
"""By method. The hues stay apart for colour-blind readers, and every line has its name beside it."""


def ink(method: str) -> Ink:
    """How a method is drawn."""
    return INKS.get(method, OWN_INK)


def variables(dark: bool, methods: Iterable[str] = ()) -> str:
    """The methods' colours as CSS custom properties, for light or dark pages.

    Args:
        dark: For dark pages.
        methods: Methods of the page, among them updaters that have no ink of their own.
    """
    inks = {**INKS, **{name: ink(name) for name in methods}}
    return "".join(f"--{name}:{one.dark if dark else one.light};" for name, one in inks.items())


def label(name: str) -> str:
    """The name of a method or domain as reports show it."""
    return name.replace("_", " ")
