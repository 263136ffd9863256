"""The table of methods holds every method once, and agrees with the code that runs them."""

from deeper.evaluation.baselines import PREDICTORS
from deeper.evaluation.methods import (
    BASELINES,
    CONTROLS,
    FROZEN,
    GROUPS,
    HISTORY_ONLY,
    METHODS,
    TABLE,
    UPDATERS,
    Group,
    group_of,
    in_order,
)
from deeper.persona import updaters


def test_every_method_is_in_one_group_and_says_what_it_sees() -> None:
    assert len(set(METHODS)) == len(METHODS) == sum(map(len, GROUPS.values()))
    assert all(method.sees for method in TABLE)


def test_baselines_are_those_that_can_be_computed() -> None:
    assert set(BASELINES) == {*PREDICTORS, "matrix_factorisation"}


def test_personas_are_the_frozen_one_and_all_updaters() -> None:
    assert tuple(updaters.UPDATERS) == UPDATERS
    assert GROUPS[Group.PERSONAS] == (FROZEN, *UPDATERS)


def test_history_only_is_a_control_that_no_run_chooses() -> None:
    assert {HISTORY_ONLY, *CONTROLS} == set(GROUPS[Group.CONTROLS]) and HISTORY_ONLY not in CONTROLS


def test_a_former_method_is_shown_in_its_place_and_cannot_be_chosen() -> None:
    former = [method.name for method in TABLE if method.former]
    assert former and not {*former} & {*METHODS, *BASELINES}
    for name in former:
        assert group_of(name) is Group.NUMBERS_ONLY
        assert in_order([UPDATERS[0], name, BASELINES[0]]) == [BASELINES[0], name, UPDATERS[0]]
