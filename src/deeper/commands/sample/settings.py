"""The settings of `deeper sample`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from deeper.commands.evaluate.settings import is_calibrated
from deeper.commands.execution.shared_settings import (
    Data,
    Domains,
    EvidenceSource,
    ItemKnowledgeSource,
    Items,
    MaxPersonaTokens,
    ModelPrecision,
    OwnUpdater,
    PolicyAdapter,
    PolicyEngine,
    PolicyServer,
    PredictorEngine,
    PredictorServer,
    PromptFolder,
    ReadoutName,
    Seed,
    TrainUsers,
)
from deeper.engine import ServerSettings
from deeper.errors import choose_from
from deeper.persona.updaters import MODULES
from deeper.storage.settings import RunSettings

PARTS = ("a", "b", "validation")


class SampleSettings(RunSettings):
    """The settings of `deeper sample`: whose directions to sample, and with which engines."""

    command: ClassVar[str] = "sample"

    data: Data = "movielens_small"
    items: Items = ()
    domains: Domains = ()
    parts: tuple[str, ...] = Field(
        default=("b", "validation"),
        description="Parts of the train users to sample for: a, b or validation. By default, predictors are trained "
        "on part a.",
    )
    users: TrainUsers = 100
    refinements: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Refinements of each persona to sample directions for. With 2, the first and the second; the "
        "policy writes the persona between them greedily.",
    )
    methods: tuple[str, ...] = Field(
        default=("refine",),
        description=f"Updaters to sample directions for, from the same personas: {', '.join(MODULES)}. "
        "The first one writes the personas between refinements.",
    )
    updater: OwnUpdater = ""
    future_windows: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Windows after the current one that a direction is rewarded on: their mean, of those that the user "
        "has. 1 is the paper's.",
    )
    directions: int = Field(default=15, ge=1, le=1000, description="Directions to sample for each context.")
    temperature: float = Field(default=1.0, gt=0, le=10, description="Temperature to sample directions at.")
    policy_engine: PolicyEngine = "embedded"
    policy_adapter: PolicyAdapter = ""
    predictor_engine: PredictorEngine = "embedded"
    predictor_adapter: tuple[str, ...] = Field(
        default=(),
        description="Trained adapters of the predictor: folders, or NAME=FOLDER on a server. Each user gets the first "
        "one that was not trained on that user.",
    )
    policy_server: PolicyServer = ServerSettings()
    predictor_server: PredictorServer = ServerSettings()
    precision: ModelPrecision = "auto"
    readout: ReadoutName = "auto"
    calibration: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Calibrate each predictor with the real ratings of the users it reads. auto: only without trained "
        "adapters.",
    )
    item_knowledge: ItemKnowledgeSource = "none"
    evidence: EvidenceSource = "none"
    max_persona_tokens: MaxPersonaTokens = 120
    prompts: PromptFolder = ""
    seed: Seed = 1

    @property
    def calibrates(self) -> bool:
        """Whether predictions are calibrated."""
        return is_calibrated(self.calibration, self.predictor_adapter)

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [method for method in methods if method not in MODULES]:
            raise ValueError(f"no updater {', '.join(unknown)}; {choose_from(MODULES, *unknown)}")
        if not methods:
            raise ValueError("no updater is given; name at least one")
        return tuple(name for name in MODULES if name in methods)

    @model_validator(mode="after")
    def _replaces_refine(self) -> "SampleSettings":
        if self.updater and "refine" not in self.methods:
            raise ValueError("updater takes the place of refine, which methods does not name")
        return self

    @field_validator("parts")
    @classmethod
    def _known(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        if not parts or any(part not in PARTS for part in parts):
            raise ValueError(f"choose from {', '.join(PARTS)}")
        return tuple(part for part in PARTS if part in parts)
