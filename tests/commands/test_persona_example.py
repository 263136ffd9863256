"""`scripts/persona_example.py`: the README's example is of a run, and is rendered with its precision."""

from pathlib import Path

import pytest
from rich.console import Console

from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine.scripted.engine import ScriptedEngine
from docs_figures import persona
from persona_example import example

FIRST = "This person usually finds movies good. They love drama, perhaps also crime."
REFINED = "This person usually finds movies decent. They love drama, perhaps also crime."


def test_the_example_shows_both_personas_and_the_window_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(reply=lambda prompt, _: REFINED if FIRST in prompt.user else FIRST)
    monkeypatch.setattr(engine, "computes_in", "bfloat16", raising=False)
    monkeypatch.setattr(engine_choice, "make_engine", lambda *_: engine)
    run = tmp_path / "run"
    evaluate(Settings(users=2, rounds=1, methods=("refine",), calibration="off"), run, Console(quiet=True))
    found = example(run)
    assert found["before"] == FIRST
    assert len(found["window"]) == 10 and found["window"][0].keys() == {"title", "predicted", "actual"}
    page = persona(found)
    assert "movies ~~good.~~ **decent.** They love drama" in page and f"> {FIRST}" in page
    assert "; computed in bfloat16; seed 1." in page
