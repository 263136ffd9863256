"""The settings of `deeper sample` and `deeper reward`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from deeper.commands.evaluate.settings import is_calibrated
from deeper.commands.execution.shared_settings import (
    Data,
    Domains,
    MaxPersonaTokens,
    PolicyAdapter,
    PolicyEngine,
    PredictorEngine,
    PromptFolder,
    Readout,
    Seed,
    TrainUsers,
)
from deeper.storage.settings import RunSettings

PARTS = ("a", "b", "validation")


class SampleSettings(RunSettings):
    """What `deeper sample` does."""

    command: ClassVar[str] = "sample"

    data: Data = "movielens_small"
    domains: Domains = ()
    parts: tuple[str, ...] = Field(
        default=("b", "validation"),
        description="Parts of the train users to sample for: a (which predictors are trained on), b, validation.",
    )
    users: TrainUsers = 100
    refinements: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Refinements of each persona that directions are sampled of: contexts of the first, the second …; "
        "in between the policy refines greedily.",
    )
    directions: int = Field(default=15, ge=1, le=1000, description="Directions for each context.")
    temperature: float = Field(default=1.0, gt=0, le=10, description="Temperature that they are sampled at.")
    policy_engine: PolicyEngine = "embedded"
    policy_adapter: PolicyAdapter = ""
    predictor_engine: PredictorEngine = "embedded"
    predictor_adapter: tuple[str, ...] = Field(
        default=(),
        description="Trained adapters of the predictor: folders, or on a server NAME=FOLDER. A user gets the first "
        "that was not trained on that user.",
    )
    readout: Readout = "distribution"
    calibration: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Map each predictor's distribution to real ratings, fitted on the users it reads; auto does so "
        "without trained adapters.",
    )
    max_persona_tokens: MaxPersonaTokens = 120
    prompts: PromptFolder = ""
    seed: Seed = 1

    @property
    def calibrates(self) -> bool:
        """Whether calibrations are fitted."""
        return is_calibrated(self.calibration, self.predictor_adapter)

    @field_validator("parts")
    @classmethod
    def _known(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        if not parts or any(part not in PARTS for part in parts):
            raise ValueError(f"choose from {', '.join(PARTS)}")
        return tuple(part for part in PARTS if part in parts)


class RewardSettings(RunSettings):
    """What `deeper reward` does; readout, calibration, prompts and seed are those of the run."""

    command: ClassVar[str] = "reward"

    reward: Literal["mae", "crps"] = Field(
        default="mae", description="Error that the reward compares: mae of the points or crps of the distributions."
    )
    weights: tuple[float, float, float] = Field(
        default=(1.0, 1.0, 1.0), description="Weights of the previous, the current and the future window."
    )
    predictor_engine: str = Field(
        default="", description="Engine that reads personas; empty for that of the run, with its adapters."
    )
    predictor_adapter: tuple[str, ...] = Field(
        default=(), description="Trained adapters of the predictor, as for deeper sample; empty for those of the run."
    )

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(weights) < 0 or not 0 < sum(weights) < float("inf"):
            raise ValueError("weights are at least 0, and one of them is above 0")
        return weights
