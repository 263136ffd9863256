"""The settings of a tracker: names and meanings are those of `deeper evaluate`."""

from typing import ClassVar, Literal

from pydantic import Field

from deeper.storage.settings import RunSettings

GIVEN = "given"
"""Stands in the place of an engine that was given as an object, which no file can hold."""


class TrackerSettings(RunSettings):
    """What a `PersonaTracker` asks, and how."""

    command: ClassVar[str] = "evaluate"

    policy_engine: str = Field(default="embedded", description="Engine that writes personas; as for deeper evaluate.")
    predictor_engine: str = Field(default="embedded", description="Engine that reads personas; the same choices.")
    policy_adapter: str = Field(
        default="", description="Trained adapter of the policy: its folder, small-policy, or on a server its name."
    )
    predictor_adapter: str = Field(
        default="",
        description="Trained adapter of the predictor: its folder, small-predictor, or on a server its name.",
    )
    readout: Literal["distribution", "structured"] = Field(
        default="distribution", description="How a prediction is read; as for deeper evaluate."
    )
    max_persona_tokens: int = Field(
        default=120,
        ge=8,
        le=4096,
        description="Longest persona, in tokens; 72 with the package's policy adapter, unless you set it.",
    )
    prompts: str = Field(default="", description="Folder of own prompts that replace built-in ones of the same name.")
    seed: int = Field(default=1, ge=0, lt=2**31, description="Seed of everything random.")
