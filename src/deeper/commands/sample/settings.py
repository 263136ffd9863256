"""The settings of `deeper sample`."""

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
