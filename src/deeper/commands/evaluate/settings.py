"""The settings of a run: one definition for flags, configuration files and Python arguments."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat, ValidationInfo, field_validator, model_validator

from deeper.commands.execution.own_updaters import own_methods
from deeper.commands.execution.shared_settings import (
    SHIPPED_TOKENS,
    Data,
    Domains,
    EvidenceSource,
    ItemKnowledgeSource,
    Items,
    MaxPersonaTokens,
    ModelPrecision,
    OwnUpdaters,
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
from deeper.errors import choose_from
from deeper.evaluation.methods import BASELINES, CONTROLS, DESCRIBED, ROLES, UPDATERS
from deeper.storage.settings import RunSettings, resolve

CHOICES = (*UPDATERS, "frozen", *CONTROLS, *BASELINES)
DEFAULT_METHODS = tuple(name for name in CHOICES if name != DESCRIBED)
"""Without `described`, which costs a prediction a round and matters only to who asks what the policy adds to rules."""


def is_calibrated(calibration: Literal["auto", "on", "off"], predictor_adapter: str | tuple[str, ...]) -> bool:
    """Whether a predictor is calibrated; with `auto`, only one without an adapter.

    On validation users of four domains, a map fitted on a few dozen users made a trained predictor worse (docs/log.md).
    """
    return calibration == "on" or (calibration == "auto" and not predictor_adapter)


class Settings(RunSettings):
    """What `deeper evaluate` does."""

    command = "evaluate"

    data: Data = "movielens_small"
    ratings: str = Field(
        default="",
        description="Your own ratings in one file, in place of data: CSV, TSV, JSON or Parquet, optionally "
        "gzipped. One rating per row: user, title, rating, and optionally time, item and categories.",
    )
    item: str = Field(default="item", description="With ratings: what an item is called, such as movie.")
    scale: str = Field(
        default="",
        description="With ratings: the rating scale as MIN:MAX:STEP, such as 0.5:5:0.5. Without it, the scale is "
        "derived from the ratings where that is safe. Ratings between two values are kept as they are.",
    )
    columns: tuple[str, ...] = Field(
        default=(),
        description="With ratings: which columns hold user, title, rating, time, item and categories, where their "
        "names do not tell: user=reviewerID,title=name,categories=cuisine. user= (empty) means that one person gave "
        "all ratings; time= (empty) uses the order of the rows, oldest first. Without a header, columns have numbers: "
        "user=1,title=2.",
    )
    unrated: tuple[FiniteFloat, ...] = Field(
        default=(),
        description='With ratings: numbers that mean "not rated", such as 0,-1. Rows with them are left out, as rows '
        "with a blank rating always are. 0 and -1 below the scale need no mention.",
    )
    encoding: str = Field(
        default="",
        description="With ratings: the encoding of a text file, such as cp1252 or utf-16-le. Without it, UTF-8 or what "
        "the file's byte order mark says.",
    )
    items: Items = ()
    domains: Domains = ()
    split: Literal["eval", "validation", "all"] = Field(
        default="eval",
        description="Whose personas to judge. eval: eval users, for results. validation: a fifth of the train users, "
        "which no training sees, for choosing settings. all: every user, each calibrated on the others.",
    )
    users: int = Field(default=100, ge=1, description="Maximum number of users per domain.")
    skip_users: int = Field(
        default=0,
        ge=0,
        description="Users of each domain to pass over before --users are taken. With the --users of an earlier run, "
        "only users that it did not judge are judged.",
    )
    calibration_users: int = Field(
        default=32,
        ge=1,
        description="Maximum number of train users per domain for fitting the calibration (or history, with "
        "prediction = history).",
    )
    rounds: int = Field(default=4, ge=0, le=100, description="How often each persona is refined.")
    updater: OwnUpdaters = ()
    methods: tuple[str, ...] = Field(
        default=DEFAULT_METHODS,
        validate_default=True,
        description=f"Updaters, controls and baselines to compare: {', '.join(CHOICES)}. Default: all but {DESCRIBED}.",
    )
    roles: tuple[str, ...] = Field(
        default=ROLES,
        description="Windows to judge a persona on: future (the next window, held out; always included), current and "
        "previous (in-sample).",
    )
    policy_engine: PolicyEngine = "embedded"
    predictor_engine: PredictorEngine = "embedded"
    policy_adapter: PolicyAdapter = ""
    predictor_adapter: PredictorAdapter = ""
    policy_server: PolicyServer = ServerSettings()
    predictor_server: PredictorServer = ServerSettings()
    precision: ModelPrecision = "auto"
    readout: ReadoutName = "auto"
    calibration: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Correct the predictor's bias with a map fitted on train users. auto: only if the predictor has no "
        "adapter.",
    )
    prediction: Literal["persona", "history"] = Field(
        default="persona",
        description="What predictions use: the persona alone, or also the user's own past ratings (history), weighted "
        "by a fit on train users.",
    )
    item_knowledge: ItemKnowledgeSource = "none"
    evidence: EvidenceSource = "none"
    search_n: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Candidates to write for each update. The one that best predicts ratings that it was not written "
        "from is kept. 0 writes one persona without a search.",
    )
    max_persona_tokens: MaxPersonaTokens = Field(default=120, description=SHIPPED_TOKENS)
    prompts: PromptFolder = ""
    seed: Seed = 1

    @property
    def calibrates(self) -> bool:
        """Whether this run fits a calibration."""
        return is_calibrated(self.calibration, self.predictor_adapter)

    @model_validator(mode="after")
    def _one_source(self) -> "Settings":
        if self.ratings and self.data != type(self).model_fields["data"].default:
            raise ValueError("data and ratings are both given; give only one")
        return self

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        own = own_methods(info.data.get("updater", ()))
        choices = (*CHOICES, *own)
        if unknown := [method for method in methods if method not in choices]:
            raise ValueError(f"unknown method {', '.join(unknown)}; {choose_from(choices, *unknown)}")
        if not methods:
            raise ValueError("no method is given; name at least one")
        return tuple(choice for choice in choices if choice in (*methods, *own))

    @field_validator("roles")
    @classmethod
    def _known_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [role for role in roles if role not in ROLES]:
            raise ValueError(f"unknown role {', '.join(unknown)}; {choose_from(ROLES, *unknown)}")
        return tuple(role for role in ROLES if role in roles or role == "future")


def resolve_settings(config: Path | None, flags: dict[str, Any], preset: dict[str, Any] | None = None) -> Settings:
    """The settings of `deeper evaluate`; see `resolve`."""
    return resolve(Settings, config, flags, preset)
