"""The settings of `deeper sample` and `deeper reward`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from deeper.commands.evaluate.settings import is_calibrated
from deeper.storage.settings import RunSettings

PARTS = ("a", "b", "validation")


class SampleSettings(RunSettings):
    """What `deeper sample` does."""

    command: ClassVar[str] = "sample"

    data: str = Field(default="movielens_small", description="Whose behaviour; as for deeper evaluate.")
    domains: tuple[str, ...] = Field(default=(), description="Domains, by id; all that the data has by default.")
    parts: tuple[str, ...] = Field(
        default=("b", "validation"),
        description="Parts of the train users to sample for: a (which predictors are trained on), b, validation.",
    )
    users: int = Field(default=100, ge=1, description="Train users of each domain, at most.")
    refinements: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Refinements of each persona that directions are sampled of: contexts of the first, the second …; "
        "in between the policy refines greedily.",
    )
    directions: int = Field(default=15, ge=1, le=1000, description="Directions for each context.")
    temperature: float = Field(default=1.0, gt=0, le=10, description="Temperature that they are sampled at.")
    policy_engine: str = Field(default="embedded", description="Engine that writes personas; as for deeper evaluate.")
    policy_adapter: str = Field(
        default="", description="Trained adapter of the policy: its folder, or on a server its name."
    )
    predictor_engine: str = Field(default="embedded", description="Engine that reads personas.")
    predictor_adapter: tuple[str, ...] = Field(
        default=(),
        description="Trained adapters of the predictor: folders, or on a server NAME=FOLDER. A user gets the first "
        "that was not trained on that user.",
    )
    readout: Literal["distribution", "structured"] = Field(
        default="distribution", description="How a prediction is read; as for deeper evaluate."
    )
    calibration: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Map each predictor's distribution to real ratings, fitted on the users it reads; auto does so "
        "without trained adapters.",
    )
    max_persona_tokens: int = Field(default=120, ge=8, le=4096, description="Length limit of a persona.")
    prompts: str = Field(default="", description="Folder of own prompts that replace built-in ones of the same name.")
    seed: int = Field(default=1, ge=0, lt=2**31, description="Seed of everything random.")

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
