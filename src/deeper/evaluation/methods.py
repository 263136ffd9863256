"""All methods that an evaluation compares: what each predicts from, and the group that reports show it in.

A new updater joins by itself when its module is put into `persona/updaters`. A new baseline needs a row here and a
function in `evaluation/baselines`. An updater in a file of the user's has no row: every name that is not in the table
is one. So results can be read and shown without that file.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from deeper.persona import updaters
from deeper.persona.rounds import ROLE_OFFSETS
from deeper.persona.stages import CONTROL_METHODS, DESCRIBED, HISTORY_ONLY


class Group(StrEnum):
    """A group of methods; the value is its label in reports. Reports list the groups in this order."""

    PERSONAS = "personas"
    USER_MEDIAN = "the user median"
    NUMBERS_ONLY = "numbers only"
    CONTROLS = "controls, same model"


class Method(NamedTuple):
    """One method.

    Attributes:
        name: In settings, tables and results.
        group: What kind of method it is.
        sees: What its prediction is made from. For an updater: what it reads to write the persona of round t.
        former: Whether only earlier versions ran it: their results can still be shown.
    """

    name: str
    group: Group
    sees: str
    former: bool = False


FROZEN = "frozen"

_CONTROL_SEES = {
    HISTORY_ONLY: "the user's rating counts, weighted as predictions with history are",
    "no_persona": "an empty persona",
    "raw_history": "the user's last ratings themselves, in place of a persona",
    DESCRIBED: "a persona that rules write from the user's ratings, without a policy",
}
_UPDATER_SEES = {
    "refine": "the previous persona and these discrepancies",
    "incremental_update": "the previous persona and the ratings of this window, without the predictions",
    "hierarchical_merge": "the previous persona and a short-term persona of this window",
    "full_regeneration": "all ratings up to this window, without the previous persona",
    "slide_regeneration": "the ratings of this window alone, without the previous persona",
}
OWN_SEES = "what this updater reads"
NAME = "[a-z][a-z0-9_]*"
"""The pattern of every method's name, so that pages and tables can show it as it is."""

TABLE = (
    # Baselines: no language model.
    Method("user_median", Group.USER_MEDIAN, "the user's ratings so far: their median"),
    Method("always_top", Group.NUMBERS_ONLY, "the top of the rating scale"),
    Method("domain_median", Group.NUMBERS_ONLY, "all ratings so far: their median"),
    Method("user_mean", Group.NUMBERS_ONLY, "the user's ratings so far: their mean"),
    Method("last_window_median", Group.NUMBERS_ONLY, "the user's last window with a rating: its median"),
    Method("user_histogram", Group.NUMBERS_ONLY, "the user's rating counts, shrunk to the domain's"),
    Method("item_mean", Group.NUMBERS_ONLY, "the item's ratings so far, shrunk to the domain's mean", former=True),
    Method("item_standing", Group.NUMBERS_ONLY, "the user's rating counts, shifted by how others rate the item"),
    Method("matrix_factorisation", Group.NUMBERS_ONLY, "all ratings so far, by user and item"),
    # Controls: what the personas' predictions are worth without a persona.
    *(Method(name, Group.CONTROLS, _CONTROL_SEES[name]) for name in CONTROL_METHODS),
    # Personas.
    Method(FROZEN, Group.PERSONAS, "the first persona, which is never updated"),
    *(Method(name, Group.PERSONAS, _UPDATER_SEES.get(name, OWN_SEES)) for name in updaters.UPDATERS),
)
"""In the order in which tables show the methods."""


_GROUP = {method.name: method.group for method in TABLE}
GROUPS = {
    group: tuple(method.name for method in TABLE if method.group is group and not method.former) for group in Group
}
SEES = {method.name: method.sees for method in TABLE}

METHODS = tuple(method.name for method in TABLE if not method.former)
BASELINES = (*GROUPS[Group.USER_MEDIAN], *GROUPS[Group.NUMBERS_ONLY])
CONTROLS = tuple(name for name in GROUPS[Group.CONTROLS] if name != HISTORY_ONLY)
"""The controls that a run can choose. Predictions with history always bring `history_only` along."""
UPDATERS = tuple(updaters.UPDATERS)

ROLES = tuple(ROLE_OFFSETS)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of methods in the order of tables; updaters of the user's own come last, by name."""
    found = set(names)
    return [*(name for name in SEES if name in found), *sorted(found - SEES.keys())]


def group_of(name: str) -> Group:
    """The group of a method."""
    return _GROUP.get(name, Group.PERSONAS)


def by_group(names: Iterable[str]) -> dict[Group, list[str]]:
    """Names of methods by their groups, in the order of reports; a group without any is left out."""
    ordered = in_order(names)
    found = {group: [name for name in ordered if group_of(name) is group] for group in Group}
    return {group: members for group, members in found.items() if members}


def is_updater(name: str) -> bool:
    """Whether a method is an updater, built-in or the user's own."""
    return name != FROZEN and group_of(name) is Group.PERSONAS


def updaters_in(names: Iterable[str]) -> list[str]:
    """Those of some methods that are updaters, in the order of tables."""
    return [name for name in in_order(names) if is_updater(name)]


def sees(name: str) -> str:
    """What a method's prediction is made from."""
    return SEES.get(name, OWN_SEES)
