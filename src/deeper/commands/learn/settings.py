"""The settings of `deeper learn`, and the settings of each of its steps.

A setting has the same name and meaning as in the step's own command, which also checks it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.shared_settings import (
    EvidenceSource,
    ItemKnowledgeSource,
    ModelPrecision,
    PolicyServer,
    PredictorServer,
    ReadoutName,
    servers_of,
)
from deeper.commands.learn.validation import METHODS
from deeper.commands.pairs.settings import PairSettings
from deeper.commands.reward.settings import RewardSettings
from deeper.commands.sample.settings import SampleSettings
from deeper.commands.train.settings import DPO_PRESETS, RANDOM, DpoSettings
from deeper.errors import UserError
from deeper.learning.preferences.window_errors import Measure
from deeper.storage.settings import AnySettings, RunSettings, resolve


def _same(kind: type[RunSettings], name: str, description: str = "", default: Any = None) -> Any:
    """The setting of another command, perhaps with another description; the other command checks its limits."""
    field = kind.model_fields[name]
    default = field.default if default is None else default
    return Field(default=default, description=description or field.description)


def _dpo(name: str, description: str = "") -> Any:
    """The setting of `deeper train dpo`, with the default of its preset for the small model."""
    return _same(DpoSettings, name, description, DPO_PRESETS["small"].get(name))


_RULES = [PairSettings(iteration=1), PairSettings(iteration=2)]


class LearnSettings(RunSettings):
    """What `deeper learn` does."""

    command: ClassVar[str] = "learn"

    data: str = _same(SampleSettings, "data")
    items: tuple[str, ...] = _same(SampleSettings, "items")
    domains: tuple[str, ...] = _same(SampleSettings, "domains")
    parts: tuple[str, ...] = _same(SampleSettings, "parts")
    users: int = _same(SampleSettings, "users", "At most this many train users of each domain to learn from.")
    methods: tuple[str, ...] = _same(SampleSettings, "methods")
    future_windows: int = _same(SampleSettings, "future_windows")
    directions: int = _same(SampleSettings, "directions")
    temperature: float = _same(SampleSettings, "temperature")
    policy_engine: str = _same(
        SampleSettings,
        "policy_engine",
        "Engine that writes personas; its model is trained: embedded, transformers, "
        "transformers:FOLDER_OR_NAME, or random (a tiny model, to try things out).",
    )
    policy_adapter: str = _same(SampleSettings, "policy_adapter", "Adapter to start from, usually a cold-started one.")
    predictor_engine: str = _same(
        SampleSettings, "predictor_engine", "Engine that reads personas; must be random if the policy is."
    )
    predictor_adapter: tuple[str, ...] = _same(
        SampleSettings,
        "predictor_adapter",
        "Trained adapters of the predictor, as for deeper sample; the first one also reads for validation.",
    )
    policy_server: PolicyServer = _same(SampleSettings, "policy_server")
    predictor_server: PredictorServer = _same(SampleSettings, "predictor_server")
    precision: ModelPrecision = _same(SampleSettings, "precision")
    readout: ReadoutName = _same(SampleSettings, "readout")
    calibration: Literal["auto", "on", "off"] = _same(SampleSettings, "calibration")
    item_knowledge: ItemKnowledgeSource = _same(SampleSettings, "item_knowledge")
    evidence: EvidenceSource = _same(SampleSettings, "evidence")
    max_persona_tokens: int = _same(SampleSettings, "max_persona_tokens")
    prompts: str = _same(SampleSettings, "prompts")
    reward: Measure = _same(RewardSettings, "reward")
    weights: tuple[float, float, float] = _same(RewardSettings, "weights")
    tau_plus: float = _same(PairSettings, "tau_plus")
    tau_minus: float = _same(PairSettings, "tau_minus")
    margin: tuple[float, float] = Field(
        default=(_RULES[0].margin, _RULES[1].margin),
        description="A pair's rewards differ at least by this, in iteration 1 and in iteration 2; see margin-kind.",
    )
    margin_kind: Literal["quantile", "absolute"] = _same(PairSettings, "margin_kind")
    max_pairs: tuple[int, int] = Field(
        default=(_RULES[0].max_pairs, _RULES[1].max_pairs),
        description="At most this many pairs of a context, in iteration 1 and in iteration 2.",
    )
    reference: Literal["base", "previous"] = Field(
        default="previous",
        description="What the policy is kept near to in iteration 2: previous (that of iteration 1) or base (the model "
        "without any adapter). In iteration 1 it is what learning begins with.",
    )
    epochs: float = _dpo("epochs", "How often each pair is used, in each iteration.")
    steps: int = _dpo("steps", "Steps of the optimiser in each iteration; 0 goes by epochs.")
    batch: int = _dpo("batch", "Pairs of a training step.")
    micro_batch: int = _dpo("micro_batch", "Pairs of a forward pass; 1 is quickest on a processor.")
    learning_rate: float = _dpo("learning_rate")
    warmup: float = _dpo("warmup")
    warmup_steps: int = _dpo("warmup_steps")
    beta: float = _dpo("beta")
    sft_weight: float = _dpo("sft_weight")
    cutoff: int = _dpo("cutoff", "Longest pair, in tokens; longer ones are dropped and counted.")
    save_every: int = _dpo("save_every")
    validate_every: int = _dpo("validate_every")
    report_to: Literal["none", "tensorboard", "wandb"] = _dpo("report_to")
    save_memory: Literal["on", "off"] = _dpo("save_memory")
    validation_users: int = Field(default=32, ge=1, description="At most this many validation users of each domain.")
    calibration_users: int = _same(Settings, "calibration_users")
    rounds: int = Field(default=3, ge=1, le=100, description="Refinements of each validation user's persona.")
    seed: int = _same(SampleSettings, "seed")


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "small": {},
    "smoke": {
        "policy_engine": RANDOM,
        "predictor_engine": RANDOM,
        "users": 8,
        "directions": 3,
        "calibration": "off",
        "max_persona_tokens": 12,
        "reward": "crps",
        "margin": (0.0, 0.0),
        "max_pairs": (2, 3),
        "steps": 4,
        "batch": 2,
        "save_every": 2,
        "validate_every": 2,
        "learning_rate": 1e-3,
        "validation_users": 4,
        "calibration_users": 2,
        "rounds": 1,
    },
    "paper": {
        **{name: DPO_PRESETS["paper"][name] for name in DPO_PRESETS["paper"] if name in LearnSettings.model_fields},
        "policy_engine": f"transformers:{DPO_PRESETS['paper']['base']}",
        "predictor_engine": f"transformers:{DPO_PRESETS['paper']['base']}",
        "users": 3000,
        "max_persona_tokens": 400,
        "reference": "base",
        "validation_users": 200,
        "rounds": 4,
    },
}
"""`small` learns with the small model. `smoke` learns with a tiny random one in a minute. `paper` has the published
settings of the training."""


def base_of_engine(spec: str) -> str:
    """The setting `base` of `deeper train dpo` for the model of an engine.

    Args:
        spec: A policy engine.

    Raises:
        UserError: The engine's model cannot be trained here.
    """
    kind, _, rest = spec.partition(":")
    if kind == "transformers":
        return rest
    if spec in ("embedded", RANDOM):
        return "" if spec == "embedded" else RANDOM
    raise UserError(
        f"the model of the engine {spec!r} cannot be trained here",
        where="policy_engine",
        do="choose embedded, transformers or transformers:FOLDER_OR_NAME, or run the steps one by one",
    )


def to_evaluate(settings: LearnSettings, policy_adapter: str) -> Settings:
    """The settings of a validation of a policy."""
    adapters = settings.predictor_adapter[:1]
    if settings.predictor_engine.startswith("openai:"):
        adapters = tuple(adapter.rpartition("=")[0] for adapter in adapters)
    return _taken(
        Settings,
        settings,
        split="validation",
        users=settings.validation_users,
        methods=METHODS,
        roles=("future",),
        policy_adapter=policy_adapter,
        predictor_adapter="".join(adapters),
    )


def to_sample(settings: LearnSettings, iteration: int, policy_adapter: str) -> SampleSettings:
    """The settings of an iteration's sampling; iteration i has contexts of the first i refinements."""
    return _taken(SampleSettings, settings, refinements=iteration, policy_adapter=policy_adapter)


def to_reward(settings: LearnSettings) -> RewardSettings:
    """The settings of the reward, with the predictors that sampling used."""
    server = servers_of(settings)["predictor"]
    return _taken(RewardSettings, settings, predictor_engine="", predictor_adapter=(), predictor_server=server)


def to_pair(settings: LearnSettings, iteration: int, force: bool) -> PairSettings:
    """The settings of an iteration's pairs."""
    # `PairSettings` fills in the other values that depend on the iteration.
    return _taken(
        PairSettings,
        settings,
        iteration=iteration,
        margin=settings.margin[iteration - 1],
        max_pairs=settings.max_pairs[iteration - 1],
        force=force,
    )


def to_train(
    settings: LearnSettings, iteration: int, pairs: Path, policy_adapter: str, lora: Mapping[str, Any]
) -> DpoSettings:
    """The settings of an iteration's training.

    Args:
        settings: What to do.
        iteration: Its number, from 1.
        pairs: The folder of its pairs.
        policy_adapter: The adapter to start from; empty for a new one.
        lora: `rank`, `alpha` and `layers` of that adapter; empty without one.
    """
    start = "previous" if policy_adapter else "base"
    return _taken(
        DpoSettings,
        settings,
        base=base_of_engine(settings.policy_engine),
        pairs=str(pairs),
        policy_adapter=policy_adapter,
        reference=start if iteration == 1 else settings.reference,
        **lora,
    )


def _taken(kind: type[AnySettings], settings: LearnSettings, **changes: Any) -> AnySettings:
    """The settings of a step: those with the same name, and the given changes."""
    shared = {name: getattr(settings, name) for name in kind.model_fields if name in LearnSettings.model_fields}
    return resolve(kind, None, {**shared, **changes})
