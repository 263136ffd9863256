"""The settings of trainings: one definition for flags, configuration files and Python arguments."""

from typing import Any, Literal

from pydantic import Field, model_validator

from deeper.pipeline.settings import RunSettings

RANDOM = "random"

PRESETS: dict[str, dict[str, Any]] = {
    "small": {},
    "smoke": {
        "base": RANDOM,
        "users": 8,
        "validation_users": 2,
        "steps": 6,
        "batch": 4,
        "micro_batch": 2,
        "rank": 4,
        "save_every": 2,
        "judge_every": 3,
        "learning_rate": 1e-3,
    },
}
"""`small` trains the small model; `smoke` a tiny random one with the same tokeniser, in seconds, to try things out."""


class TrainingSettings(RunSettings):
    """What all trainings have."""

    data: tuple[str, ...] = Field(
        default=("movielens_small",),
        description="Whose behaviour: movielens_small (bundled), or folders as deeper evaluate takes them.",
    )
    domains: tuple[str, ...] = Field(default=(), description="Domains to train on, by id; all by default.")
    users: int = Field(default=100_000, ge=1, description="Train users of each domain, at most.")
    validation_users: int = Field(default=16, ge=1, description="Validation users of each domain, at most.")
    fold: Literal["a", "b", "all"] = Field(
        default="a", description="Which train users: a, b (the halves), or all; validation users are never among them."
    )
    base: str = Field(
        default="",
        description="Model to train: the small one by default, random (a tiny one, to try things out), or the folder "
        "or hub name of a model that transformers reads.",
    )
    epochs: float = Field(default=1.0, gt=0, description="How often each window of each user is used, on average.")
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
    prompts: str = Field(default="", description="Folder of own prompts that replace built-in ones of the same name.")
    seed: int = Field(default=1, ge=0, lt=2**31, description="Seed of everything random.")

    @model_validator(mode="after")
    def _divides(self) -> "TrainingSettings":
        if self.batch % self.micro_batch:
            raise ValueError(f"batch {self.batch} is not a multiple of micro_batch {self.micro_batch}")
        return self


class PredictorSettings(TrainingSettings):
    """What `deeper train predictor` does."""

    command = "train predictor"

    personas: tuple[str, ...] = Field(
        default=(), description="Parquet files of personas that policies wrote of train users, to be read as well."
    )


class ColdstartSettings(TrainingSettings):
    """What `deeper train coldstart` does."""

    command = "train coldstart"

    max_persona_tokens: int = Field(
        default=120, ge=8, le=4096, description="Length limit of a persona, as deeper evaluate has it."
    )
