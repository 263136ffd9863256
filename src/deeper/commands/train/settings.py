"""The settings of trainings: one definition for flags, configuration files and Python arguments."""

from typing import Any, Literal

from pydantic import Field, model_validator

from deeper.commands.execution.shared_settings import (
    Domains,
    MaxPersonaTokens,
    PromptFolder,
    Seed,
    TrainUsers,
)
from deeper.storage.settings import RunSettings

RANDOM = "random"

_SMOKE: dict[str, Any] = {
    "base": RANDOM,
    "steps": 6,
    "batch": 4,
    "micro_batch": 2,
    "rank": 4,
    "save_every": 2,
    "judge_every": 3,
    "learning_rate": 1e-3,
}

PRESETS: dict[str, dict[str, Any]] = {"small": {}, "smoke": {**_SMOKE, "users": 8, "validation_users": 2}}
"""`small` trains the small model; `smoke` a tiny random one with the same tokeniser, in seconds, to try things out."""

DPO_PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "epochs": 2.0,
        "batch": 8,
        "learning_rate": 5e-5,
        "warmup": 0.1,
        "save_every": 20,
        "judge_every": 20,
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
        "judge_every": 100,
        "validation_pairs": 100_000,
        "save_memory": "on",
    },
}
"""As `PRESETS`; `paper` has the published settings."""


class TrainingSettings(RunSettings):
    """What all trainings have."""

    base: str = Field(
        default="",
        description="Model to train: the small one by default, random (a tiny one, to try things out), or the folder "
        "or hub name of a model that transformers reads.",
    )
    epochs: float = Field(
        default=1.0, gt=0, description="How often everything is used, on average: each window of each user, or pair."
    )
    steps: int = Field(default=0, ge=0, description="Steps of the optimiser; 0 goes by epochs.")
    batch: int = Field(default=2, ge=1, description="Examples of a step.")
    micro_batch: int = Field(default=1, ge=1, description="Examples of a forward pass; 1 is quickest on a processor.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Peak of the learning rate; cosine to zero.")
    warmup: float = Field(default=0.05, ge=0, le=0.5, description="Share of the steps up to the peak.")
    rank: int = Field(default=16, ge=1, description="Rank of LoRA.")
    alpha: int = Field(default=32, ge=1, description="Scale of LoRA.")
    layers: Literal["all", "upper"] = Field(
        default="all", description="Layers that get LoRA: all, or the upper half, which is quicker."
    )
    cutoff: int = Field(default=2048, ge=64, description="Longest example, in tokens.")
    over_cutoff: Literal["drop", "refuse"] = Field(
        default="drop", description="What becomes of longer examples: dropped and counted, or refused."
    )
    save_every: int = Field(default=50, ge=1, description="Steps from checkpoint to checkpoint.")
    judge_every: int = Field(default=50, ge=1, description="Steps from validation to validation.")
    report_to: Literal["none", "tensorboard", "wandb"] = Field(
        default="none", description="Where transformers logs besides."
    )
    seed: Seed = 1

    @model_validator(mode="after")
    def _divides(self) -> "TrainingSettings":
        if self.batch % self.micro_batch:
            raise ValueError(f"batch {self.batch} is not a multiple of micro_batch {self.micro_batch}")
        return self


class BehaviourTrainingSettings(TrainingSettings):
    """What trainings on users' behaviour have besides."""

    data: tuple[str, ...] = Field(
        default=("movielens_small",),
        description="Whose behaviour: movielens_small (bundled), or folders as deeper evaluate takes them.",
    )
    domains: Domains = ()
    users: TrainUsers = 100_000
    validation_users: int = Field(default=16, ge=1, description="Validation users of each domain, at most.")
    adapter: str = Field(
        default="", description="Folder of an adapter of the same kind to go on with; a new one by default."
    )
    fold: Literal["a", "b", "all"] = Field(
        default="a", description="Which train users: a, b (the halves), or all; validation users are never among them."
    )
    prompts: PromptFolder = ""
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="What a processor computes in; bfloat16 is quicker, and refused where there are no instructions "
        "for it.",
    )


class PredictorSettings(BehaviourTrainingSettings):
    """What `deeper train predictor` does."""

    command = "train predictor"

    personas: tuple[str, ...] = Field(
        default=(), description="Parquet files of personas that policies wrote of train users, to be read as well."
    )


class ColdstartSettings(BehaviourTrainingSettings):
    """What `deeper train coldstart` does."""

    command = "train coldstart"

    max_persona_tokens: MaxPersonaTokens = 120


class DpoSettings(TrainingSettings):
    """What `deeper train dpo` does."""

    command = "train dpo"

    pairs: str = Field(default="", description="Folder of preference pairs that deeper pairs has written.")
    policy_adapter: str = Field(
        default="",
        description="Folder of the policy adapter to go on with: a cold-started one, or that of the iteration before; "
        "a new one by default.",
    )
    reference: Literal["base", "previous"] = Field(
        default="base",
        description="What the policy is kept near to: base (the model without any adapter), or previous (the policy "
        "adapter as it is before the training).",
    )
    beta: float = Field(default=0.2, ge=0, description="How dear it is to leave the reference, in the preference term.")
    sft_weight: float = Field(default=0.1, ge=0, description="Weight of the SFT term on the chosen answers.")
    warmup_steps: int = Field(default=0, ge=0, description="Steps up to the peak; 0 goes by warmup.")
    validation_pairs: int = Field(default=128, ge=1, description="Pairs of validation users to judge by, at most.")
    save_memory: Literal["on", "off"] = Field(
        default="off",
        description="Compute activations again in the backward pass: takes about a third longer and much less memory.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "DpoSettings":
        if not self.pairs:
            raise ValueError("pairs is missing: the folder that deeper pairs has written")
        if self.reference == "previous" and not self.policy_adapter:
            raise ValueError("reference previous needs a policy_adapter")
        return self
