"""What `deeper learn` starts from: settings that all steps can take, a random model, adapters."""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

from deeper.commands.learn.settings import LearnSettings, to_evaluate, to_pair, to_reward, to_sample, to_train
from deeper.commands.pairs.settings import ITERATIONS
from deeper.commands.train.settings import RANDOM, DpoSettings
from deeper.commands.train.start import load_base
from deeper.engine.adapter import load_adapter, read_config
from deeper.errors import UserError
from deeper.storage.run_folder import RunFolder

BASE = "base"
ENGINES = ("policy_engine", "predictor_engine")
LOUDER = 20.0
"""By what the weights of a random model are multiplied."""


def check(settings: LearnSettings) -> None:
    """Refuse before the first step what would stop a later one.

    Raises:
        UserError: A setting, an engine or an adapter will not do.
    """
    engines = {settings.policy_engine, settings.predictor_engine}
    if RANDOM in engines and (len(engines) > 1 or settings.policy_adapter or settings.predictor_adapter):
        raise UserError(
            "a random model is the policy's and the predictor's, without adapters",
            where="policy_engine, predictor_engine",
            do="choose random for both, or other engines",
        )
    lora = lora_of(settings.policy_adapter)
    to_evaluate(settings, "")
    for iteration in ITERATIONS:
        to_sample(settings, iteration, "")
        to_pair(settings, iteration, force=False)
        to_train(settings, iteration, Path("pairs"), settings.policy_adapter or "adapter", lora)
    to_reward(settings)


def quiet() -> None:
    """Leave the progress of loading a model out, which is loaded for many a step."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


def with_base(settings: LearnSettings, folder: RunFolder) -> LearnSettings:
    """The settings with a folder in the place of `random`; it is made where it is missing."""
    if settings.policy_engine != RANDOM:
        return settings
    place = folder.path / BASE
    if not (place / "tokenizer_config.json").is_file():
        _, model, tokenizer = load_base(DpoSettings(base=RANDOM, pairs="none", seed=settings.seed))
        # With weights this small the likeliest token is always the last one again, a line break.
        for weights in model.parameters():
            weights.data *= LOUDER if weights.dim() == 2 else 1
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
    return settings.model_copy(update=dict.fromkeys(ENGINES, f"transformers:{place}"))


def lora_of(adapter: str) -> dict[str, Any]:
    """Rank, scale and layers of an adapter, which goes on being trained as it is; empty without one."""
    if not adapter:
        return {}
    config = read_config(load_adapter(Path(adapter)).folder)
    layers = "all" if config.get("layers_to_transform") is None else "upper"
    return {"rank": config["r"], "alpha": config["lora_alpha"], "layers": layers}


def starting_points(settings: LearnSettings) -> str:
    """Hash of the adapters that learning starts from."""
    served = settings.predictor_engine.startswith("openai:")
    folders = [adapter.rpartition("=")[2] if served else adapter for adapter in settings.predictor_adapter]
    return digest([load_adapter(Path(folder)).digest for folder in (settings.policy_adapter, *folders) if folder])


def digest(parts: list[Any]) -> str:
    """Hash of what JSON holds."""
    return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
