"""The report of `deeper learn`, `learn.json`; it grows while learning goes on."""

from typing import Any

from pydantic import BaseModel

from deeper.evaluation.results_schema import FailedCalls
from deeper.learning.preferences.reality_report import Figure, MeanDirection, RewardRecipes
from deeper.storage.frozen_values import FrozenValues

Interval = tuple[float | None, float | None]
"""A 95 % interval; None where it is not defined."""


class MeanError(FrozenValues):
    """Mean held-out MAE of a method, its interval, and the number of users."""

    mae: float
    ci: Interval
    users: int


class ErrorOfRound(FrozenValues):
    """Held-out MAE of a method in one round."""

    method: str
    round: int
    mae: float
    ci: Interval
    users: int


class PairedDifference(FrozenValues):
    """Error after learning minus error before, by user; `improved` is the share of users with a lower error."""

    difference: float
    ci: Interval
    improved: float
    users: int


class Validation(FrozenValues):
    """One validation of a policy.

    Attributes:
        methods: Mean error of each method; None if it has no result, because calls failed.
        rounds: The held-out errors of each round.
        text: Features of the refinements (`evaluation.text_summary`), and `cut_off`, the share at the length limit.
        leaks: Share of refinements that name a title or a rating; None without refinements.
        failures: Predictions that could not be read.
        persona_failures: Personas that could not be written.
        calibration: Calibration of the predictor, as in `results.json`.
        against_before: Difference to the validation before learning; missing in that one.
    """

    methods: dict[str, MeanError | None]
    rounds: list[ErrorOfRound]
    text: dict[str, float | None]
    leaks: float | None
    failures: int
    persona_failures: int
    calibration: Any
    against_before: PairedDifference | None = None


class RewardSummary(FrozenValues):
    """What the report keeps of an iteration's `reward.json`."""

    trustworthy: bool
    recipes: RewardRecipes
    counts: dict[str, int]
    examples: list[dict[str, Any]]
    reliability: Figure
    mean_direction: MeanDirection


class PairsSummary(FrozenValues):
    """What the report keeps of an iteration's `pairs.json`."""

    rule: dict[str, Any]
    counts: dict[str, Any]
    methods: dict[str, dict[str, int]] = {}
    rewards: dict[str, Any]


class Iteration(BaseModel):
    """One iteration; its steps fill in the fields, in this order.

    Attributes:
        iteration: Its number, from 1.
        sampled: Number of users, contexts and directions.
        reward: Its reward.
        pairs: Its pairs.
        training: Content of its training's `metrics.json`.
    """

    iteration: int
    sampled: dict[str, Any] | None = None
    reward: RewardSummary | None = None
    pairs: PairsSummary | None = None
    training: dict[str, Any] | None = None


class Step(FrozenValues):
    """A finished step and the seconds it took."""

    name: str
    seconds: float


class Alarm(FrozenValues):
    """A sign that an iteration went wrong."""

    iteration: int
    alarm: str


class LearningReport(BaseModel):
    """The content of `learn.json`.

    Attributes:
        commit: Commit of the package.
        versions: Versions of packages.
        machine: The machine.
        seed: Seed of everything random.
        config: Settings of `deeper learn`.
        recipes: Numbers that are not settings, by the name of the recipe.
        steps_total: Number of steps of a whole run.
        steps: The finished steps.
        reused_steps: The steps that keep results of older code, each with the modules that have changed since.
        failed_calls: What failed in the finished steps; the method is named after its step.
        notes: What readers of the report must know.
        alarms: Signs that something went wrong.
        validation: The validation before learning (`layout.BEFORE`) and after each iteration.
        iterations: The iterations.
    """

    commit: str | None
    versions: dict[str, str]
    machine: dict[str, Any]
    seed: int
    config: dict[str, Any]
    recipes: dict[str, dict[str, Any]]
    steps_total: int
    steps: list[Step]
    reused_steps: dict[str, list[str]]
    failed_calls: list[FailedCalls]
    notes: list[str]
    alarms: list[Alarm]
    validation: dict[str, Validation]
    iterations: list[Iteration]

    def as_json(self) -> dict[str, Any]:
        """The fields known so far, as JSON holds them."""
        return self.model_dump(mode="json", exclude_unset=True)
