"""The settings of `deeper sample`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from deeper.commands.evaluate.settings import is_calibrated
from deeper.storage.settings import RunSettings

PARTS = ("a", "b", "validation")


class SampleSettings(RunSettings):
    """The settings of `deeper sample`: whose directions to sample, and with which engines."""

    command: ClassVar[str] = "sample"

    data: str = Field(default="movielens_small", description="The data to read; as for deeper evaluate.")
    domains: tuple[str, ...] = Field(default=(), description="Domains to use, by id. Default: all domains of the data.")
    parts: tuple[str, ...] = Field(
        default=("b", "validation"),
        description="Parts of the train users to sample for: a, b or validation. By default, predictors are trained "
        "on part a.",
    )
    users: int = Field(default=100, ge=1, description="Most train users of each domain.")
    refinements: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Refinements of each persona to sample directions for. With 2, the first and the second; the "
        "policy writes the persona between them greedily.",
    )
    directions: int = Field(default=15, ge=1, le=1000, description="Directions to sample for each context.")
    temperature: float = Field(default=1.0, gt=0, le=10, description="Temperature to sample directions at.")
    policy_engine: str = Field(
        default="embedded", description="Engine of the policy, which writes personas; as for deeper evaluate."
    )
    policy_adapter: str = Field(
        default="", description="Trained adapter of the policy: its folder, or its name on a server."
    )
    predictor_engine: str = Field(
        default="embedded", description="Engine of the predictor, which reads personas; as for deeper evaluate."
    )
    predictor_adapter: tuple[str, ...] = Field(
        default=(),
        description="Trained adapters of the predictor: folders, or NAME=FOLDER on a server. Each user gets the first "
        "one that was not trained on that user.",
    )
    readout: Literal["distribution", "structured"] = Field(
        default="distribution", description="How predictions are read; as for deeper evaluate."
    )
    calibration: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Calibrate each predictor with the real ratings of the users it reads. auto: only without trained "
        "adapters.",
    )
    max_persona_tokens: int = Field(default=120, ge=8, le=4096, description="Length limit of a persona, in tokens.")
    prompts: str = Field(
        default="", description="Folder of your own prompts. A file replaces the built-in prompt of the same name."
    )
    seed: int = Field(default=1, ge=0, lt=2**31, description="Seed of everything random.")

    @property
    def calibrates(self) -> bool:
        """Whether predictions are calibrated."""
        return is_calibrated(self.calibration, self.predictor_adapter)

    @field_validator("parts")
    @classmethod
    def _known(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        if not parts or any(part not in PARTS for part in parts):
            raise ValueError(f"choose from {', '.join(PARTS)}")
        return tuple(part for part in PARTS if part in parts)
