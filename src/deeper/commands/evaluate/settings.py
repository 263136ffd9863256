"""The settings of a run: one definition for flags, configuration files and Python arguments."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from deeper.commands.execution.shared_settings import (
    Data,
    Domains,
    MaxPersonaTokens,
    PolicyAdapter,
    PolicyEngine,
    PredictorAdapter,
    PredictorEngine,
    PromptFolder,
    Readout,
    Seed,
)
from deeper.evaluation.methods import BASELINES, CONTROLS, ROLES, UPDATERS
from deeper.storage.settings import RunSettings, resolve

CHOICES = (*UPDATERS, "frozen", *CONTROLS, *BASELINES)


def is_calibrated(calibration: Literal["auto", "on", "off"], predictor_adapter: str | tuple[str, ...]) -> bool:
    """Whether a predictor is calibrated: with auto, where it has no adapter.

    On validation users of four domains a map of a few dozen users made the predictions of a trained reader worse
    (docs/log.md).
    """
    return calibration == "on" or (calibration == "auto" and not predictor_adapter)


class Settings(RunSettings):
    """What `deeper evaluate` does."""

    command = "evaluate"

    data: Data = "movielens_small"
    ratings: str = Field(
        default="",
        description="A file of own ratings, in place of data: CSV, TSV, JSON lines or Parquet, or .gz of these, with a "
        "row for each rating: user, title, rating, and perhaps time.",
    )
    item: str = Field(default="item", description="With ratings: what an item is called, as in movie.")
    scale: str = Field(
        default="",
        description="With ratings: their scale as MIN:MAX:STEP, as in 0.5:5:0.5; seen in the ratings where that is "
        "safe. Ratings between its values are kept as they are.",
    )
    columns: tuple[str, ...] = Field(
        default=(),
        description="With ratings: the column of user, title, rating, time or item where its name does not tell it, as "
        "in user=reviewerID,title=name; time= takes the order of the file.",
    )
    domains: Domains = ()
    split: Literal["eval", "validation", "all"] = Field(
        default="eval",
        description="Who is judged: eval users, for results; validation users (a fifth of the train users, which no "
        "training sees), for choices; or all users, each calibrated on others.",
    )
    users: int = Field(default=100, ge=1, description="Users of each domain that are judged, at most.")
    calibration_users: int = Field(
        default=32,
        ge=1,
        description="Train users of each domain that calibrate the predictor, or that history is fitted on.",
    )
    rounds: int = Field(default=4, ge=0, le=100, description="Refinements of each persona.")
    methods: tuple[str, ...] = Field(
        default=CHOICES, description=f"Updaters, controls and baselines to compare: {', '.join(CHOICES)}."
    )
    roles: tuple[str, ...] = Field(
        default=ROLES,
        description="Windows to judge a persona on: future (held out, always), and in-sample current and previous.",
    )
    policy_engine: PolicyEngine = "embedded"
    predictor_engine: PredictorEngine = "embedded"
    policy_adapter: PolicyAdapter = ""
    predictor_adapter: PredictorAdapter = ""
    readout: Readout = "distribution"
    calibration: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Map the predictor's distribution to real ratings, fitted on train users. auto does so unless the "
        "predictor has an adapter.",
    )
    prediction: Literal["persona", "history"] = Field(
        default="persona",
        description="What predicts: the persona alone, or in addition the persona combined with the user's own past "
        "ratings, fitted on train users whose personas are updated for it (history).",
    )
    search_n: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Directions searched for each update: candidates of which the best on ratings that they have not "
        "read is kept; 0 writes one, greedily.",
    )
    max_persona_tokens: MaxPersonaTokens = 120
    prompts: PromptFolder = ""
    seed: Seed = 1

    @property
    def calibrates(self) -> bool:
        """Whether a calibration is fitted."""
        return is_calibrated(self.calibration, self.predictor_adapter)

    @model_validator(mode="after")
    def _one_source(self) -> "Settings":
        if self.ratings and self.data != type(self).model_fields["data"].default:
            raise ValueError("data and ratings are both given; give one of them")
        return self

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [method for method in methods if method not in CHOICES]:
            raise ValueError(f"unknown method {', '.join(unknown)}; choose from {', '.join(CHOICES)}")
        if not methods:
            raise ValueError("no method is left; name at least one")
        return tuple(choice for choice in CHOICES if choice in methods)

    @field_validator("roles")
    @classmethod
    def _known_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [role for role in roles if role not in ROLES]:
            raise ValueError(f"unknown role {', '.join(unknown)}; choose from {', '.join(ROLES)}")
        return tuple(role for role in ROLES if role in roles or role == "future")


def resolve_settings(config: Path | None, flags: dict[str, Any], preset: dict[str, Any] | None = None) -> Settings:
    """The settings of `deeper evaluate`; see `resolve`."""
    return resolve(Settings, config, flags, preset)
