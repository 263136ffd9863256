"""Estimates how long a run will take.

A rehearsal counts the calls: it is the run itself, on a few of its users, with the scripted engine and nothing written.
So no setting can be forgotten. The counts then grow with the number of users. The time of a call is measured on the
first users of the plan, in one batch, after a first call that loads the model.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from deeper.behaviour.users import Key
from deeper.commands.evaluate.online import OnlineLoop
from deeper.commands.evaluate.plan import Plan
from deeper.commands.execution.population import Population
from deeper.engine import Prompt, Sampling, ScoreRequest
from deeper.engine.registry import make_engine
from deeper.persona.predict import PREDICT_INPUT, predict
from deeper.persona.schema import PREDICTION
from deeper.persona.stages import UPDATE_INPUT, initialise
from deeper.persona.write import Writer
from deeper.storage.stage import Rows, Stage

REHEARSED_USERS = 8
MEASURED_USERS = 4
SCRIPTED = "scripted"


@dataclass(frozen=True)
class Estimate:
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


def estimate(plan: Plan) -> Estimate:
    """Rehearse a run and measure its engines. Takes a few seconds; keeps nothing."""
    personas, windows = rehearse(plan)
    return Estimate(personas, windows, *_measure(plan))


def rehearse(plan: Plan) -> tuple[int, int]:
    """How many personas a run writes, and how many windows it predicts; a close estimate for many users."""
    population = plan.population
    few = Population(_first(population.eval), _first(population.calibration), population.table)
    counter = _Counter(few)
    engine = make_engine(SCRIPTED)
    loop = OnlineLoop(plan.settings, counter, engine, engine, plan.prompts, plan.loaded.domains)
    loop.run(few)
    shares = (len(population.eval) / len(few.eval), len(population.calibration) / max(1, len(few.calibration)))
    personas, windows = (
        round(sum(count * share for count, share in zip(counts, shares, strict=True)))
        for counts in (counter.personas, counter.windows)
    )
    return personas, windows


@dataclass
class _Counter:
    """Runs stages in memory and counts their rows: first those of judged users, then those of calibration users."""

    population: Population

    def __post_init__(self) -> None:
        self.personas, self.windows = [0, 0], [0, 0]

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        result = stage.function(rows.slice(0, rows.num_rows)).cast(stage.schema)
        counts = self.windows if stage.schema.equals(PREDICTION) else self.personas
        for row in result.select(["domain", "user"]).to_pylist():
            counts[(row["domain"], row["user"]) not in self.population.eval] += 1
        return result


def _measure(plan: Plan) -> tuple[float, float]:
    """Seconds to write a persona and to predict a window, in a small batch."""
    settings, domains, users = plan.settings, plan.loaded.domains, _first(plan.population.eval, MEASURED_USERS)
    policy, predictor = plan.engines["policy"], plan.engines["predictor"]
    policy.generate([Prompt("You are brief.", "Name a colour.")], Sampling(1))
    predictor.score([ScoreRequest(Prompt("You judge.", "Is water wet?"), ("",), ("yes", "no"))])
    rows = [
        {**_named(key), "method": "initialise", "k": 0, "parent": None, "persona": "", "windows": own[:1]}
        for key, own in users.items()
    ]
    writer = Writer(policy, plan.prompts, settings.max_persona_tokens, settings.seed)
    began = time.monotonic()
    written = initialise(pa.Table.from_pylist(rows, schema=UPDATE_INPUT), writer, domains).to_pylist()
    writing = time.monotonic() - began
    targets = [[{"k": 1, "titles": [item["title"] for item in own[1]]}] for own in users.values()]
    asked = [
        {**_named((row["domain"], row["user"])), "persona_id": row["id"], "persona": row["text"], "targets": target}
        for row, target in zip(written, targets, strict=True)
    ]
    began = time.monotonic()
    predict(
        pa.Table.from_pylist(asked, schema=PREDICT_INPUT),
        predictor, plan.prompts, domains, settings.readout, settings.seed,
    )  # fmt: skip
    return writing / len(users), (time.monotonic() - began) / len(users)


def _named(key: Key) -> dict[str, Any]:
    return {"domain": key[0], "user": key[1]}


def _first(windows: Mapping[Key, Any], count: int = REHEARSED_USERS) -> dict[Key, Any]:
    return {key: windows[key] for key in list(windows)[:count]}
