"""What the parts of `speed.py` share: sizes, sides that take turns, a figure with its target, and users."""

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
"""Settings of the runs that are measured: those of the demo, with one round."""

Say = Callable[[str], None]
Figure = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        repeats: Turns of each side.
        users: Users that the embedded model has a run of.
        many: Users that the scripted engine has a run of, against 16.
        read: Personas that are read in a call; a run's shard has `READ_ROWS`.
        written: Personas that are refined in a call; a run's shard has `WRITE_ROWS`.
        asked: Requests of the published flow in a turn.
    """

    repeats: int
    users: int
    many: int
    read: int
    written: int
    asked: int


def figure(values: Sequence[float], target: float, better: str, how: str, **counts: Any) -> Figure:
    """A figure: the median of the repeats and their range, and whether the median is as good as the target.

    Args:
        values: One a repeat; a ratio is of the two sides of one repeat.
        target: What is wanted.
        better: "higher" or "lower".
        how: What was measured.
        counts: How much of it.
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
    """What each side gives, in turns: A, B, A, B and so on."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats):
        for name, side in sides.items():
            found[name].append(side())
            say(f"  turn {turn + 1} of {repeats}, {name}: {found[name][-1]:.3g}")
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Turn by turn."""
    return [a / b for a, b in zip(above, below, strict=True)]


def seconds(work: Callable[[], object]) -> float:
    """Of a piece of work, by the clock on the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@cache
def planted_windows(judged: int, others: int) -> pa.Table:
    """WINDOW rows of planted users on whole numbers: those who are judged, and those who calibrate."""
    planted = plant_users(judged + others, 6, SEED, WHOLE)
    names = sorted(set(planted.behaviour["user"].to_pylist()))
    chosen = frozenset(names[:judged])
    return to_windows(planted.behaviour, split=lambda user: "eval" if user in chosen else "train")


class Watched:
    """An engine that notes how long it works and what it was asked to write."""

    def __init__(self, engine: Engine, notes: bool = True) -> None:
        """Watch an engine; without notes nothing grows."""
        self._engine, self._notes = engine, notes
        self.seconds = 0.0
        self.batches: list[list[tuple[Prompt, int]]] = []
        """Of each call, the prompts and the tokens of their answers."""

    @property
    def written(self) -> list[tuple[Prompt, int]]:
        """All prompts, and the tokens of their answers."""
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
    """Let `deeper evaluate` run on planted users with an engine, and give the seconds of each stage and of `all`."""
    stages: dict[str, float] = {}

    class Timed(LocalExecutor):
        """Takes the time of a stage from its first shard to its last, files included."""

        def run(self, stage: Stage, rows: Rows) -> pa.Table:
            began = time.perf_counter()
            result = super().run(stage, rows)
            stages[stage.name] = time.perf_counter() - began
            return result

    loaded = Loaded(windows, DOMAINS, [], "planted")
    chosen = Settings(**{**RUN, **settings})
    with (
        replaced(plan, "load_windows", lambda data, chosen: loaded),
        replaced(pipeline, "LocalExecutor", Timed),
        replaced(engine_choice, "make_engine", lambda spec, adapter: engine),
    ):
        stages["all"] = seconds(lambda: pipeline.evaluate(chosen, out, Console(quiet=True)))
    return stages


@contextmanager
def replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """Put another thing in a module's place for a while."""
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)
