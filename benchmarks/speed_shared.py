"""What the parts of `speed.py` share: sizes, turns, figures with targets, planted users, and a timed run."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from deeper.behaviour.load import Loaded
from deeper.behaviour.planted.plant import PLANTED, plant_users
from deeper.behaviour.windows import to_windows
from deeper.commands.evaluate import evaluate as pipeline
from deeper.commands.evaluate import plan
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.domains import Scale
from deeper.engine import Completion, Engine, Prompt, Sampling, ScoreRequest, Usage
from deeper.storage.stage import Rows, Stage

WHOLE = replace(PLANTED, scale=Scale(1, 5, 1))
"""Planted users on a scale of whole numbers: its labels are one token each."""
DOMAINS = {WHOLE.id: WHOLE}
SEED = 1
RUN: dict[str, Any] = {"rounds": 1, "roles": ("future",), "max_persona_tokens": 72, "seed": SEED}
"""Settings of the measured runs: those of the demo, with one round."""

Say = Callable[[str], None]
Figure = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much to measure.

    Attributes:
        repeats: Turns of each side.
        users: Users of a run with the embedded model.
        many: Users of a run with the scripted engine, compared with one of 16.
        read: Personas to predict from in a call; a run's shard has `RECIPE.predict_rows`.
        written: Personas to refine in a call; a run's shard has `RECIPE.write_rows`.
        asked: Requests of the published flow in a turn.
    """

    repeats: int
    users: int
    many: int
    read: int
    written: int
    asked: int


def figure(values: Sequence[float], target: float, better: str, how: str, **counts: Any) -> Figure:
    """Return a figure: the median of the repeats, their range, and whether the median meets the target.

    Args:
        values: One for each repeat; a ratio compares the two sides of one repeat.
        target: The target.
        better: "higher" or "lower".
        how: What was measured, in words.
        counts: How much was measured.
    """
    value = statistics.median(values)
    return {
        "value": round(value, 4),
        "target": target,
        "better": better,
        "holds": value >= target if better == "higher" else value <= target,
        "range": [round(min(values), 4), round(max(values), 4)],
        "repeats": len(values),
        "how": how,
        "counts": counts,
    }


def in_turns(sides: Mapping[str, Callable[[], float]], repeats: int, say: Say) -> dict[str, list[float]]:
    """Measure the sides in turns (A, B, A, B and so on), and return the values of each."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats):
        for name, side in sides.items():
            found[name].append(side())
            say(f"  turn {turn + 1} of {repeats}, {name}: {found[name][-1]:.3g}")
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return the ratios turn by turn."""
    return [a / b for a, b in zip(above, below, strict=True)]


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds of a piece of work by the wall clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@cache
def planted_windows(eval_users: int, train_users: int) -> pa.Table:
    """Return WINDOW rows of planted users who rate in whole numbers."""
    planted = plant_users(eval_users + train_users, 6, SEED, WHOLE)
    names = sorted(set(planted.behaviour["user"].to_pylist()))
    chosen = frozenset(names[:eval_users])
    return to_windows(planted.behaviour, split=lambda user: "eval" if user in chosen else "train")


class Watched:
    """An engine that records how long it works and what it was asked to write."""

    def __init__(self, engine: Engine, notes: bool = True) -> None:
        """Watch an engine; without notes only the seconds are kept."""
        self._engine, self._notes = engine, notes
        self.seconds = 0.0
        self.batches: list[list[tuple[Prompt, int]]] = []
        """For each call, the prompts and the tokens of their answers."""

    @property
    def written(self) -> list[tuple[Prompt, int]]:
        """All prompts with the tokens of their answers."""
        return [one for batch in self.batches for one in batch]

    @property
    def fingerprint(self) -> str:
        """The engine's."""
        return self._engine.fingerprint

    @property
    def usage(self) -> Usage:
        """The engine's."""
        return self._engine.usage

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Ask the engine."""
        began = time.perf_counter()
        completions = self._engine.generate(prompts, sampling)
        self.seconds += time.perf_counter() - began
        if self._notes:
            self.batches.append([(p, n) for p, c in zip(prompts, completions, strict=True) for n in c.tokens])
        return completions

    def score(self, requests: Sequence[ScoreRequest]) -> Any:
        """Ask the engine."""
        began = time.perf_counter()
        matrices = self._engine.score(requests)
        self.seconds += time.perf_counter() - began
        return matrices


def run_planted(engine: Engine, windows: pa.Table, out: Path, **settings: Any) -> dict[str, float]:
    """Run `deeper evaluate` on planted users with an engine; return the seconds of each stage and of `all`."""
    stages: dict[str, float] = {}

    class Timed(LocalExecutor):
        """Times each stage from its first shard to its last, files included."""

        def run(self, stage: Stage, rows: Rows) -> pa.Table:
            began = time.perf_counter()
            result = super().run(stage, rows)
            stages[stage.name] = time.perf_counter() - began
            return result

    loaded = Loaded(windows, DOMAINS, [], "planted")
    chosen = Settings(**{**RUN, **settings})
    with (
        replaced(plan, "load_windows", lambda *_: loaded),
        replaced(pipeline, "LocalExecutor", Timed),
        replaced(engine_choice, "make_engine", lambda *_: engine),
    ):
        stages["all"] = seconds(lambda: pipeline.evaluate(chosen, out, Console(quiet=True)))
    return stages


@contextmanager
def replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """Replace a name of a module for a while."""
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)
