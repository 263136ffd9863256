"""The settings of a tracker; names and meanings are those of `deeper evaluate`."""

from typing import ClassVar

from pydantic import Field

from deeper.commands.execution.shared_settings import (
    SHIPPED_TOKENS,
    EvidenceSource,
    ItemKnowledgeSource,
    MaxPersonaTokens,
    ModelPrecision,
    OwnUpdater,
    PolicyAdapter,
    PolicyEngine,
    PolicyServer,
    PredictorAdapter,
    PredictorEngine,
    PredictorServer,
    PromptFolder,
    ReadoutName,
    Seed,
)
from deeper.engine import ServerSettings
from deeper.storage.settings import RunSettings

GIVEN = "given"
"""Saved instead of an engine's name if the engine was an object, which no file can hold."""


class TrackerSettings(RunSettings):
    """The models, prompts and limits of a `PersonaTracker`."""

    command: ClassVar[str] = "evaluate"

    policy_engine: PolicyEngine = "embedded"
    predictor_engine: PredictorEngine = "embedded"
    policy_adapter: PolicyAdapter = ""
    predictor_adapter: PredictorAdapter = ""
    policy_server: PolicyServer = ServerSettings()
    predictor_server: PredictorServer = ServerSettings()
    precision: ModelPrecision = "auto"
    updater: OwnUpdater = ""
    readout: ReadoutName = "auto"
    item_knowledge: ItemKnowledgeSource = "none"
    evidence: EvidenceSource = "none"
    max_persona_tokens: MaxPersonaTokens = Field(default=120, description=SHIPPED_TOKENS)
    prompts: PromptFolder = ""
    seed: Seed = 1
