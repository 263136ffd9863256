"""Whose error it is: ours, or that of code which the user added."""

from pathlib import Path
from typing import Any, cast

import pytest
from command_line import SCRIPTED, CommandLine

from deeper.cli.options.own_code import OUR_ENGINES, OURS, PACKAGE, error_in_own_code, place_of
from deeper.persona.predict import READOUTS


def raised_in(file: Path) -> Exception:
    """An error that was raised in line 2 of a file, whether or not it exists."""
    try:
        exec(compile("def fail():\n    return {}['stars']\nfail()\n", str(file), "exec"), {})
    except KeyError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "place",
    ["persona/squared.py", "persona/updaters/mine.py", "prepare/raw/readers/diary.py", "engine/mine/engine.py"],
)
def test_an_error_in_a_module_that_was_added_is_the_user_s(place: str) -> None:
    message = error_in_own_code(raised_in(PACKAGE / place))
    assert message is not None
    assert str(message).startswith(f"{PACKAGE / place}, line 2: KeyError: 'stars'.")


@pytest.mark.parametrize(
    "place", ["persona/updaters/refine.py", "persona/write.py", "engine/openai/calls.py", "errors.py"]
)
def test_an_error_in_our_code_is_a_bug_and_has_its_place(place: str) -> None:
    error = raised_in(PACKAGE / place)
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without this test's own frame
    assert error_in_own_code(error) is None
    assert place_of(error) == f"{place}, line 2"


def test_what_is_ours_is_what_is_there() -> None:
    for folder, names in OURS.items():
        there = {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}
        assert there == set(names), f"add the new module to OURS[{folder!r}] in cli/options/own_code.py"
    assert {path.parent.name for path in (PACKAGE / "engine").glob("*/__init__.py")} == set(OUR_ENGINES)


def test_an_error_in_a_readout_of_one_s_own_names_its_file_and_line(
    deeper: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = PACKAGE / "persona" / "squared.py"
    names: dict[str, Any] = {"__name__": "deeper.persona.squared"}
    exec(compile("def squared(table, engine, *more):\n    return table['stars']\n", str(file), "exec"), names)
    monkeypatch.setitem(cast(dict[str, Any], READOUTS), "distribution", names["squared"])
    result = deeper("evaluate", "--data", str(data), "--readout", "distribution", "--rounds", "1", *SCRIPTED)
    assert result.code == 2
    assert f"deeper: {file}, line 2: KeyError: " in result.err and "correct the file" in result.err
    assert "bug in deeper" not in result.err and "Traceback" not in result.err
