"""What all trainings start with: the base model, the plan, examples that fit, and a check of the folder."""

import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from math import ceil
from typing import TYPE_CHECKING, Any

from deeper.commands.doctor import EXTRAS
from deeper.commands.train.settings import RANDOM, TrainingSettings
from deeper.errors import UserError, install_extra
from deeper.storage.code_hash import joint_hash
from deeper.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from deeper.learning.training.trainer import TrainingPlan

log = logging.getLogger(__name__)

ORIGIN = "origin.json"
REUSABLE = ("checkpoints/*/whole.json", "reference/*.parquet")
"""Files that show that a training has results to continue with."""
TINY_MODEL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
"""Shape of the random model."""


def check_origin(folder: RunFolder, origin: Mapping[str, Any], code: dict[str, str]) -> list[str]:
    """Record what a training starts from. Refuse to continue it from anything else, and warn if its code has changed.

    Args:
        folder: The training's folder.
        origin: Identifies the model, the prompts and the data.
        code: The modules that shape the result, each with its hash.

    Returns:
        Hash of the code that the training began with, and of each other code that continued it.

    Raises:
        UserError: The training started from something else.
    """
    found = folder.read_json(ORIGIN) if folder.has(ORIGIN) else {**origin, "code": []}
    changed = [f"{name} {found[name]} is now {value}" for name, value in origin.items() if found[name] != value]
    if changed:
        raise UserError(
            f"the training started from another model, other prompts or other data ({'; '.join(changed)})",
            where=str(folder.path),
            do="restore them, or choose another --out",
        )
    # Without results of an earlier start, the training begins now.
    is_continued = any(path for pattern in REUSABLE for path in folder.path.glob(pattern))
    codes: list[dict[str, str]] = found.get("code", []) if is_continued else []
    if codes and codes[-1] != code:
        names = sorted(name for name in {*codes[-1], *code} if codes[-1].get(name) != code.get(name))
        log.warning("the training began with other code (%s changed since) and continues", ", ".join(names))
    if not codes or codes[-1] != code:
        codes = [*codes, code]
        folder.write_json(ORIGIN, {**origin, "code": codes})
    return [joint_hash(modules) for modules in codes]


def fitting(examples: Sequence[Any], settings: TrainingSettings) -> tuple[list[Any], int]:
    """The examples of at most `cutoff` tokens, and the number of longer ones.

    Raises:
        UserError: Some are longer and `over_cutoff` refuses them, or all are longer.
    """
    kept = [example for example in examples if example.tokens <= settings.cutoff]
    dropped = len(examples) - len(kept)
    if dropped and (settings.over_cutoff == "refuse" or not kept):
        raise UserError(
            f"{dropped} of {len(examples)} examples have more than {settings.cutoff} tokens",
            do=f"raise --cutoff (the longest has {max(example.tokens for example in examples)}), or --over-cutoff drop",
        )
    return kept, dropped


def plan_of(settings: TrainingSettings, count: int, warmup_steps: int = 0) -> "TrainingPlan":
    """The plan that the settings ask for.

    Args:
        settings: What to do.
        count: Examples in an epoch.
        warmup_steps: Steps up to the peak of the learning rate; 0 uses the share `warmup` of all steps.
    """
    from deeper.learning.training.trainer import TrainingPlan

    steps = settings.steps or ceil(settings.epochs * count / settings.batch)
    return TrainingPlan(
        steps=steps,
        batch=settings.batch,
        micro_batch=settings.micro_batch,
        learning_rate=settings.learning_rate,
        warmup=warmup_steps or ceil(settings.warmup * steps),
        rank=settings.rank,
        alpha=settings.alpha,
        layers=settings.layers,
        save_every=settings.save_every,
        validate_every=settings.validate_every,
        seed=settings.seed,
        report_to=settings.report_to,
    )


def load_base(settings: TrainingSettings) -> tuple[str, Any, Any]:
    """Load the model to train: the identity of its weights, the model and its tokeniser.

    Raises:
        UserError: The model cannot be loaded.
    """
    from deeper.engine.torch.model import base_of, load_model

    if settings.base != RANDOM:
        source = settings.base or None
        model, tokenizer = load_model(source)
        return base_of(source), model, tokenizer
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    _, tokenizer = load_model(None, "cpu")
    torch.manual_seed(settings.seed)
    shape: dict[str, Any] = {
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "attn_implementation": "sdpa",
    }
    config = LlamaConfig(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, **shape, **TINY_MODEL)
    model: Any = LlamaForCausalLM(config)
    return RANDOM, model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


def check_extra() -> None:
    """Refuse to train without the packages of the extra `train`.

    Raises:
        UserError: Packages are missing.
    """
    if missing := [name for name in EXTRAS["train"] if find_spec(name) is None]:
        raise UserError(
            f"training needs packages that are not installed ({', '.join(missing)})",
            do=install_extra("train"),
        )
