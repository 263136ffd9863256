"""The measuring itself, over the whole pipeline: an oracle persona beats the user median, another user's does not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import plant_users, planted_persona, write_planted
from deeper.commands.evaluate import evaluate as pipeline
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine import Prompt
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.engine.scripted.taste import taste_scores
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.update_input import initial_prompt

MAX_TOKENS = 400


def paired_with_median(folder: Path, out: Path, shift: int, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """Run with personas that say the truth of the user `shift` places further on; frozen against the user median."""
    planted = plant_users(60, 3, seed=5)
    write_planted(planted, folder)
    loaded = load_windows(str(folder))
    domain = planted.domain
    users = sorted({row["user"] for row in loaded.windows.to_pylist()})
    truths = {row["user"]: planted_persona(row, 0, domain.scale) for row in planted.truth.to_pylist()}
    said: dict[Prompt, str] = {
        initial_prompt(load_prompts(), domain, [row["items"]], MAX_TOKENS): truths[
            users[(users.index(row["user"]) + shift) % len(users)]
        ]
        for row in loaded.windows.to_pylist()
        if row["k"] == 0
    }
    engine = ScriptedEngine(reply=lambda prompt, _: said[prompt], scorer=taste_scores)
    monkeypatch.setattr(engine_choice, "make_engine", lambda *_: engine)
    settings = Settings(
        data=str(folder),
        rounds=1,
        methods=("frozen", "user_median"),
        max_persona_tokens=MAX_TOKENS,
        calibration="off",
    )
    results = pipeline.evaluate(settings, out, Console(quiet=True)).as_json()
    found = [
        entry
        for entry in results["paired"]
        if (entry["method"], entry["against"], entry["round"]) == ("frozen", "user_median", 1)
    ]
    assert len(found) == 1
    return found[0]


def test_the_truth_in_words_beats_the_user_median(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    difference = paired_with_median(tmp_path / "data", tmp_path / "run", 0, monkeypatch)
    assert difference["ci"][1] < 0


def test_the_truth_of_another_user_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    difference = paired_with_median(tmp_path / "data", tmp_path / "run", 1, monkeypatch)
    assert difference["ci"][0] > 0
