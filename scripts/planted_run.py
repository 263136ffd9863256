"""Make a run to look at: planted users, and a scripted policy that says more of their planted taste each round.

    python scripts/planted_run.py runs/planted [--users 24] [--seed 1]

Takes seconds and no model. The policy knows what was planted, so the run shows what a report looks like and nothing
about any method. `slide_regeneration` forgets what it said before. Some first personas state a wrong level.
"""

import argparse
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import PLANTED, plant_users, planted_persona, write_planted
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine import Prompt
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.engine.scripted.taste import taste_scores
from deeper.persona.prompts.item_lines import quote
from deeper.report.write_report import write_report

SENTENCES = 4
"""Sentences of a planted truth: level, liked kinds, disliked kinds, mood."""


def planted_run(out: Path, users: int = 24, seed: int = 1, **settings: Any) -> Path:
    """Make the run and its report.

    Args:
        out: The run folder.
        users: Planted users; 30 % of them are eval users.
        seed: Seed of the users and of the run.
        settings: Settings of the run that differ from `Settings`.

    Returns:
        The path of the page.
    """
    planted = plant_users(users, 6, seed)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "planted"
        write_planted(planted, data)
        windows = load_windows(str(data)).windows.to_pylist()
        truths = {row["user"]: row for row in planted.truth.to_pylist()}
        engine = ScriptedEngine(reply=_scripted_policy(windows, truths), scorer=taste_scores)
        original = engine_choice.make_engine
        engine_choice.make_engine = lambda *_: engine
        try:
            chosen = Settings(data=str(data), seed=seed, **{"calibration_users": 12, **settings})
            evaluate(chosen, out, Console(quiet=True))
        finally:
            engine_choice.make_engine = original
    return write_report(out)


def _scripted_policy(windows: list[dict[str, Any]], truths: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return a function that answers a prompt with the truth of the user whose titles it shows."""
    owner = {quote(item["title"]): (row["user"], row["k"]) for row in windows for item in row["items"]}

    def reply(prompt: Prompt, _: int) -> str:
        found = [place for title, place in owner.items() if title in prompt.user]
        if not found:  # A merge: it shows two personas and no title.
            return max(re.findall("^This person.*$", prompt.user, re.MULTILINE), key=len)
        counted = {user: sum(1 for other, _ in found if other == user) for user, _ in found}
        user = max(counted, key=lambda name: counted[name])
        k = max(window for other, window in found if other == user)
        sentences = planted_persona(truths[user], k, PLANTED.scale).split(". ")
        keeps = "description so far" in prompt.user or len(found) > 10
        persona = ". ".join(sentences[: min(k + 1, SENTENCES)] if keeps or k == 0 else sentences[:2])
        return persona if persona.endswith(".") else f"{persona}."

    return reply


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--users", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(planted_run(given.out, given.users, given.seed))
