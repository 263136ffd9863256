"""The settings of a tracker; names and meanings are those of `deeper evaluate`."""

from typing import ClassVar, Literal

from pydantic import Field

from deeper.storage.settings import RunSettings

GIVEN = "given"
"""Saved instead of an engine's name if the engine was an object, which no file can hold."""


class TrackerSettings(RunSettings):
    """The models, prompts and limits of a `PersonaTracker`."""

    command: ClassVar[str] = "evaluate"

    policy_engine: str = Field(default="embedded", description="Engine that writes personas; as for deeper evaluate.")
    predictor_engine: str = Field(default="embedded", description="Engine that reads personas and predicts ratings.")
    policy_adapter: str = Field(
        default="", description="Trained adapter of the policy: its folder, or on a server its name."
    )
    predictor_adapter: str = Field(
        default="", description="Trained adapter of the predictor: its folder, or on a server its name."
    )
    readout: Literal["distribution", "structured"] = Field(
        default="distribution", description="How predictions are read; as for deeper evaluate."
    )
    max_persona_tokens: int = Field(default=120, ge=8, le=4096, description="Length limit of a persona.")
    prompts: str = Field(
        default="", description="Folder of your own prompts; each replaces the built-in one of the same name."
    )
    seed: int = Field(default=1, ge=0, lt=2**31, description="Seed of everything random.")
