"""The preview: one user's first personas, computed apart from the run."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.cli.main import cli
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.plan import RunPlan, make_plan
from deeper.commands.evaluate.preview import Preview, preview
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.commands.execution.shipped import with_shipped
from deeper.engine import Prompt
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure
from deeper.report.terminal.preview import print_preview

QUIET = Console(file=io.StringIO())
FIRST = "Likes quiet stories."


def reply(prompt: Prompt, sample: int) -> str:
    """A persona of W_0, or its refinement, which keeps two words."""
    return "Likes loud stories now." if FIRST in prompt.user else FIRST


def judge(prompt: Prompt, continuation: str, labels: Sequence[str]) -> Any:
    """The highest rating for everything."""
    return np.where(np.arange(len(labels)) == len(labels) - 1, 0.0, -9.0)


def silent(*_: object) -> str:
    raise ScriptedFailure("out of words")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "users"
    write_planted(plant_users(12, 4), folder)
    return folder


def planned(data: Path, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> RunPlan:
    monkeypatch.setattr(engine_choice, "make_engine", lambda *_: engine)
    return make_plan(Settings(data=str(data), **settings))


def printed(found: Preview, width: int, **console: Any) -> str:
    stream = io.StringIO()
    print_preview(found, Console(file=stream, width=width, **console))
    return stream.getvalue()


def test_it_holds_windows_predictions_and_changed_words(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedEngine(reply=reply, scorer=judge)
    plan = planned(data, engine, monkeypatch)
    found = preview(plan)
    key = next(iter(plan.population.eval))
    assert found.user == key[1]
    assert [found.first, found.second] == plan.population.eval[key][:2]
    assert found.persona == FIRST
    assert found.predicted == [5.0] * 10
    assert [(change.kind, change.text) for change in found.changes] == [
        ("kept", "Likes"), ("deleted", "quiet stories."), ("inserted", "loud stories now."),
    ]  # fmt: skip
    assert found.will_calibrate
    assert engine.usage.calls == 3, "one persona, one prediction of ten titles, one refinement"


def test_it_says_what_the_refinement_was_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedEngine(reply=reply, scorer=judge)
    found = preview(planned(data, engine, monkeypatch, evidence="kinds"))
    [_, refining] = [call.prompt.user for call in engine.asked if isinstance(call, GenerateCall)]
    assert found.evidence and "\n".join(found.evidence) in refining
    told = " ".join(found.evidence)
    assert "this person is known for a while" in told
    text = " ".join(printed(found, 80).split())
    assert f"What these errors show, as the model is told: {told} The persona refined" in text
    without = preview(planned(data, engine, monkeypatch))
    assert without.evidence == () and "as the model is told" not in printed(without, 80)


def test_a_run_after_it_is_the_run_without_it(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    results: list[Any] = []
    for is_shown in (True, False):
        plan = planned(data, ScriptedEngine(), monkeypatch, rounds=1)
        if is_shown:
            preview(plan)
        out = tmp_path / str(is_shown)
        found = evaluate(plan.settings, out, QUIET, plan)
        files = sorted(path.relative_to(out) for path in out.rglob("*.parquet") if "cost" not in str(path))
        results.append(({**found.as_json(), "cost": None}, [(name, (out / name).read_bytes()) for name in files]))
    assert results[0] == results[1]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_is_printed_within_the_width_and_without_escape_codes(
    data: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    text = printed(preview(planned(data, ScriptedEngine(reply=reply, scorer=judge), monkeypatch)), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    assert "Likes [-quiet stories.-] {+loud stories now.+}" in text
    assert "\n  Likes quiet stories." in text
    assert len(re.findall(r"^ +5 +[1-5](?:\.5)? +[A-Z]", text, re.MULTILINE)) == 10
    assert "Mean error" in text and "not calibrated here, but in the run" in " ".join(text.split())


def test_in_colour_the_words_themselves_are_marked(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = preview(planned(data, ScriptedEngine(reply=reply, scorer=judge), monkeypatch))
    text = printed(found, 80, force_terminal=True, color_system="standard")
    assert "Likes \x1b[9;31mquiet stories.\x1b[0m \x1b[1;32mloud stories now.\x1b[0m" in text
    assert "[-" not in text
    assert "[-quiet stories.-]" in printed(found, 80, force_terminal=True, color_system="standard", no_color=True)


def test_a_model_that_says_nothing_is_shown_as_such(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = preview(planned(data, ScriptedEngine(reply=silent, scorer=silent), monkeypatch))
    assert (found.persona, found.predicted, found.changes) == ("", None, ())
    text = printed(found, 80)
    assert text.count("none: the model gave no text") == 2 and "could not be read" in text


def test_control_characters_of_titles_and_personas_do_not_reach_the_terminal(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(reply=lambda prompt, sample: "Likes \x1b[2J[red]coves", scorer=judge)
    found = preview(planned(data, engine, monkeypatch))
    assert "Likes ?[2J[red]coves (unchanged)" in printed(found, 80)


def test_only_the_demo_shows_it_and_only_before_a_run_begins(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("--data", str(data), "--rounds", "0", "--policy-engine", "scripted", "--predictor-engine", "scripted")
    for words, is_shown in ((("demo", "--out", "a"), True), (("demo", "--out", "a"), False), (("evaluate",), False)):
        cli.main([*words, *flags], standalone_mode=False)
        out, err = capsys.readouterr()
        assert ("ONE USER FIRST" in err) is is_shown
        assert "ONE USER FIRST" not in out
    assert not list(Path("a").glob("*preview*"))


@pytest.mark.embedded
def test_the_small_model_writes_predicts_and_refines() -> None:
    found = preview(make_plan(with_shipped(Settings(users=16, calibration_users=16))))
    assert found.persona and found.predicted and len(found.predicted) == 10
    assert {change.kind for change in found.changes} >= {"kept", "inserted", "deleted"}, "the first user's text changes"
