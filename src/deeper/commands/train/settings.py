"""The settings of `deeper train`, defined once for flags, configuration files and Python arguments."""

from typing import Any, Literal

from pydantic import Field, model_validator

from deeper.commands.execution.shared_settings import (
    Domains,
    EvidenceSource,
    ItemKnowledgeSource,
    Items,
    MaxPersonaTokens,
    PromptFolder,
    Seed,
    TrainUsers,
)
from deeper.engine import Precision
from deeper.storage.settings import RunSettings

RANDOM = "random"

_SMOKE: dict[str, Any] = {
    "base": RANDOM,
    "steps": 6,
    "batch": 4,
    "micro_batch": 2,
    "rank": 4,
    "save_every": 2,
    "validate_every": 3,
    "learning_rate": 1e-3,
}

PRESETS: dict[str, dict[str, Any]] = {"small": {}, "smoke": {**_SMOKE, "users": 8, "validation_users": 2}}
"""`small` trains the small model. `smoke` trains a tiny random one with the same tokeniser in seconds."""

DPO_PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "epochs": 2.0,
        "batch": 8,
        "learning_rate": 5e-5,
        "warmup": 0.1,
        "save_every": 20,
        "validate_every": 20,
    },
    "smoke": dict(_SMOKE),
    "paper": {
        "base": "meta-llama/Llama-3.1-8B-Instruct",
        "epochs": 4.0,
        "batch": 32,
        "micro_batch": 4,
        "learning_rate": 5e-6,
        "warmup_steps": 250,
        "save_every": 100,
        "validate_every": 100,
        "validation_pairs": 100_000,
        "save_memory": "on",
    },
}
"""The presets of DPO; `paper` has the published settings."""


class TrainingSettings(RunSettings):
    """Settings of all training commands."""

    base: str = Field(
        default="",
        description="Model to train: the small one by default, random (a tiny one, to try things out), or a folder or "
        "hub name that transformers can load.",
    )
    epochs: float = Field(
        default=1.0, gt=0, description="How often each window of each user, or each pair, is used on average."
    )
    steps: int = Field(default=0, ge=0, description="Steps of the optimiser; 0 derives them from epochs.")
    batch: int = Field(default=2, ge=1, description="Examples per step.")
    micro_batch: int = Field(default=1, ge=1, description="Examples per forward pass; 1 is fastest on a CPU.")
    learning_rate: float = Field(
        default=1e-3, gt=0, description="Peak of the learning rate, which then falls to zero along a cosine."
    )
    warmup: float = Field(default=0.05, ge=0, le=0.5, description="Share of the steps before the learning rate peaks.")
    rank: int = Field(default=16, ge=1, description="Rank of LoRA.")
    alpha: int = Field(default=32, ge=1, description="Scale of LoRA.")
    layers: Literal["all", "upper"] = Field(
        default="all", description="Layers that get LoRA: all, or the upper half, which is faster."
    )
    cutoff: int = Field(default=2048, ge=64, description="Maximum number of tokens per example.")
    over_cutoff: Literal["drop", "refuse"] = Field(
        default="drop", description="For longer examples: drop and count them, or refuse to train."
    )
    save_every: int = Field(default=50, ge=1, description="Steps between checkpoints.")
    validate_every: int = Field(default=50, ge=1, description="Steps between validations.")
    report_to: Literal["none", "tensorboard", "wandb"] = Field(
        default="none", description="Backend that transformers also logs to."
    )
    seed: Seed = 1

    @model_validator(mode="after")
    def _divides(self) -> "TrainingSettings":
        if self.batch % self.micro_batch:
            raise ValueError(f"batch {self.batch} is not a multiple of micro_batch {self.micro_batch}")
        return self


class BehaviourTrainingSettings(TrainingSettings):
    """More settings of the commands that train on users' behaviour."""

    data: tuple[str, ...] = Field(
        default=("movielens_small",),
        description="Behaviour to learn from: movielens_small (bundled), or folders as for deeper evaluate.",
    )
    items: Items = ()
    domains: Domains = ()
    users: TrainUsers = 100_000
    validation_users: int = Field(default=16, ge=1, description="Maximum number of validation users per domain.")
    adapter: str = Field(
        default="", description="Folder of an adapter of the same kind to continue from; a new one by default."
    )
    fold: Literal["a", "b", "all"] = Field(
        default="a",
        description="Train users to learn from: half a, half b, or all. They never include validation users.",
    )
    prompts: PromptFolder = ""
    evidence: EvidenceSource = "none"
    precision: Precision = Field(
        default="exact",
        description="What a CPU trains in. exact: 32-bit floats. fast: bfloat16, refused if the CPU has no "
        "instructions for it. auto: fast where it has them.",
    )


class PredictorSettings(BehaviourTrainingSettings):
    """What `deeper train predictor` does."""

    command = "train predictor"

    personas: tuple[str, ...] = Field(
        default=(),
        description="Parquet files of personas that policies wrote of train users, to learn to read as well.",
    )
    item_knowledge: ItemKnowledgeSource = "none"


class ColdstartSettings(BehaviourTrainingSettings):
    """What `deeper train coldstart` does."""

    command = "train coldstart"

    max_persona_tokens: MaxPersonaTokens = 120


class DpoSettings(TrainingSettings):
    """What `deeper train dpo` does."""

    command = "train dpo"

    pairs: str = Field(default="", description="Folder of preference pairs that deeper pairs wrote.")
    policy_adapter: str = Field(
        default="",
        description="Folder of the policy adapter to continue from: a cold-started one, or that of the previous "
        "iteration; a new one by default.",
    )
    reference: Literal["base", "previous"] = Field(
        default="base",
        description="Reference of the loss: base (the model without any adapter), or previous (the policy adapter "
        "as it is before the training).",
    )
    beta: float = Field(
        default=0.2,
        ge=0,
        description="β of the preference term; higher values keep the policy nearer to the reference.",
    )
    sft_weight: float = Field(default=0.1, ge=0, description="Weight of the SFT term on the chosen answers.")
    warmup_steps: int = Field(
        default=0, ge=0, description="Steps before the learning rate peaks; 0 derives them from warmup."
    )
    validation_pairs: int = Field(default=128, ge=1, description="Maximum number of validation pairs.")
    save_memory: Literal["on", "off"] = Field(
        default="off",
        description="Recompute activations in the backward pass: a third slower, with much less memory.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "DpoSettings":
        if not self.pairs:
            raise ValueError("pairs is missing: give a folder that deeper pairs wrote")
        if self.reference == "previous" and not self.policy_adapter:
            raise ValueError("reference previous needs a policy_adapter")
        return self
