"""What `deeper learn` starts with: settings that fit all steps, adapters, and perhaps a random model."""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

from deeper.commands.learn.layout import BASE
from deeper.commands.learn.settings import LearnSettings, to_evaluate, to_pair, to_reward, to_sample, to_train
from deeper.commands.pairs.settings import ITERATIONS
from deeper.commands.train.settings import RANDOM, DpoSettings
from deeper.commands.train.start import load_base
from deeper.engine.adapter import load_adapter, read_config
from deeper.errors import UserError
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.run_folder import RunFolder

ENGINES = ("policy_engine", "predictor_engine")
RANDOM_WEIGHT_FACTOR = 20.0
"""The weights of a random model are multiplied by this."""


def check(settings: LearnSettings) -> None:
    """Refuse settings that would stop a later step, before the first one runs.

    Raises:
        UserError: A setting, an engine or an adapter does not fit.
    """
    engines = {settings.policy_engine, settings.predictor_engine}
    if RANDOM in engines and (len(engines) > 1 or settings.policy_adapter or settings.predictor_adapter):
        raise UserError(
            "a random model must serve both as the policy and as the predictor, without adapters",
            where="policy_engine, predictor_engine",
            do="choose random for both, or another engine for both",
        )
    lora = lora_of(settings.policy_adapter)
    to_evaluate(settings, "")
    for iteration in ITERATIONS:
        to_sample(settings, iteration, "")
        to_pair(settings, iteration, force=False)
        to_train(settings, iteration, Path("pairs"), settings.policy_adapter or "adapter", lora)
    to_reward(settings)


def quiet() -> None:
    """Hide the progress bars of loading a model; many steps load one."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


def with_base(settings: LearnSettings, folder: RunFolder) -> LearnSettings:
    """Replace the engine `random` by a folder, and write the random model there if it is missing."""
    if settings.policy_engine != RANDOM:
        return settings
    place = folder.path / BASE
    if not (place / "tokenizer_config.json").is_file():
        _, model, tokenizer = load_base(DpoSettings(base=RANDOM, pairs="none", seed=settings.seed))
        # With small weights the likeliest token always repeats the last one, a line break.
        for weights in model.parameters():
            weights.data *= RANDOM_WEIGHT_FACTOR if weights.dim() == 2 else 1
        folder.bind()
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
    return settings.model_copy(update=dict.fromkeys(ENGINES, f"transformers:{place}"))


def lora_of(adapter: str) -> dict[str, Any]:
    """Rank, alpha and layers of an adapter, for training to continue with; empty without one."""
    if not adapter:
        return {}
    config = read_config(load_adapter(Path(adapter)).folder)
    layers = "all" if config.get("layers_to_transform") is None else "upper"
    return {"rank": config["r"], "alpha": config["lora_alpha"], "layers": layers}


def starting_points(settings: LearnSettings) -> str:
    """Hash of what learning starts from: adapters and prompts."""
    served = settings.predictor_engine.startswith("openai:")
    folders = [adapter.rpartition("=")[2] if served else adapter for adapter in settings.predictor_adapter]
    adapters = [load_adapter(Path(folder)).digest for folder in (settings.policy_adapter, *folders) if folder]
    return digest([adapters, load_prompts(settings.prompts, settings.evidence).hashes])


def digest(parts: list[Any]) -> str:
    """Hash of values that JSON can hold."""
    return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
