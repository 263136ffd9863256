"""Estimates how long a run will take.

A rehearsal counts the calls: it is the run itself, on a few of its users, with the scripted engine and nothing written.
So no setting can be forgotten. The counts then grow with the number of users. The time of a call is measured on the
first users of the plan, in one batch, after a first call that loads the model.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from deeper.behaviour.users import Key, keys_of
from deeper.commands.evaluate.evaluation_rounds import EvaluationRounds
from deeper.commands.evaluate.plan import RunPlan
from deeper.commands.execution.population import Population
from deeper.engine import Prompt, Sampling
from deeper.engine.registry import make_engine
from deeper.persona.rounds import asked_for, carried
from deeper.persona.schema import PREDICTION
from deeper.storage.stage import InMemory, Rows, Stage

REHEARSED_USERS = 8
MEASURED_USERS = 4
SCRIPTED = "scripted"


@dataclass(frozen=True)
class RunEstimate:
    """What a run will do, and how long it will take.

    Attributes:
        personas: Personas to write, including short-term ones and candidates.
        windows: Windows to predict.
        seconds_per_persona: Measured.
        seconds_per_window: Measured.
    """

    personas: int
    windows: int
    seconds_per_persona: float
    seconds_per_window: float

    @property
    def seconds(self) -> float:
        """Seconds of the whole run."""
        return self.personas * self.seconds_per_persona + self.windows * self.seconds_per_window


def estimate(plan: RunPlan) -> RunEstimate:
    """Rehearse a run and measure its engines. Takes a few seconds; keeps nothing."""
    personas, windows = rehearse(plan)
    return RunEstimate(personas, windows, *_measure(plan))


def rehearse(plan: RunPlan) -> tuple[int, int]:
    """How many personas a run writes, and how many windows it predicts; a close estimate for many users."""
    everyone = plan.population
    few = Population(_first(everyone.eval), _first(everyone.calibration), everyone.table)
    counter, engine = _Counter(few), make_engine(SCRIPTED)
    loop = replace(plan, engines={"policy": engine, "predictor": engine}).loop(counter)
    EvaluationRounds(plan.settings, loop, few).run()
    shares = (len(everyone.eval) / len(few.eval), len(everyone.calibration) / max(1, len(few.calibration)))
    personas, windows = (
        round(sum(count * share for count, share in zip(counts, shares, strict=True)))
        for counts in (counter.personas, counter.windows)
    )
    return personas, windows


@dataclass
class _Counter:
    """Runs stages in memory, and counts what comes out: of eval users, and of calibration users."""

    population: Population

    def __post_init__(self) -> None:
        self.personas, self.windows = [0, 0], [0, 0]

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        result = InMemory().run(stage, rows)
        counts = self.windows if stage.schema.equals(PREDICTION) else self.personas
        for key in keys_of(result):
            counts[key not in self.population.eval] += 1
        return result


def _measure(plan: RunPlan) -> tuple[float, float]:
    """Seconds of writing a persona and of predicting a window, in a batch of a few."""
    users = _first(plan.population.eval, MEASURED_USERS)
    plan.engines["policy"].generate([Prompt("You are brief.", "Name a colour.")], Sampling(1))
    loop = plan.loop(InMemory())
    (domain, user), windows = next(iter(users.items()))
    nobody = {"id": "", "domain": domain, "user": user, "text": ""}
    loop.predict("predict-0", [(nobody, {1: windows[0][:1]})])
    began = time.monotonic()
    written = loop.initialise(users)
    writing = time.monotonic() - began
    began = time.monotonic()
    loop.predict("predict-0", asked_for(((row, [1]) for row in carried(written)), users))
    return writing / len(users), (time.monotonic() - began) / len(users)


def _first(windows: Mapping[Key, Any], count: int = REHEARSED_USERS) -> dict[Key, Any]:
    return {key: windows[key] for key in list(windows)[:count]}
