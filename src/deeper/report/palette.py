"""Colours and dashes of the methods, the same in every page and figure."""

from typing import NamedTuple

from deeper.evaluation.methods import BASELINES, CONTROLS, HISTORY_ONLY, UPDATERS


class Ink(NamedTuple):
    """How a method is drawn: its colour on white and on black (contrast at least 4.5), and the dashes of its line."""

    light: str
    dark: str
    dash: str = ""


OF_EXTENSIONS = Ink("#5b46a8", "#b7a6f5", "5 2")
INKS = {
    **dict.fromkeys(UPDATERS, OF_EXTENSIONS),
    "refine": Ink("#0063a6", "#6db8ff"),
    "incremental_update": Ink("#8a5a00", "#e3b34f"),
    "hierarchical_merge": Ink("#00734f", "#4fd1a5"),
    "full_regeneration": Ink("#a3307a", "#f095c8"),
    "slide_regeneration": Ink("#b83a00", "#ff9a66"),
    "frozen": Ink("#5c5c5c", "#b4b4b4", "2 3"),
    "user_median": Ink("#111111", "#f2f2f2", "6 3"),
    **{name: Ink("#6f6f6f", "#9d9d9d", "1 3") for name in BASELINES[1:]},
    **{name: Ink("#4d6a7d", "#93b3c7", "4 2 1 2") for name in (*CONTROLS, HISTORY_ONLY)},
}
"""By method. Updaters of an extension share one ink. The other hues stay apart for colour-blind readers, and every line
has its name beside it."""


def variables(dark: bool) -> str:
    """The methods' colours as CSS custom properties, for light or dark pages."""
    return "".join(f"--{name}:{ink.dark if dark else ink.light};" for name, ink in INKS.items())


def label(name: str) -> str:
    """The name of a method or domain as reports show it."""
    return name.replace("_", " ")
