"""LoRA for a model that is to be trained: new, or an adapter's to go on with."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from deeper.errors import UserError
from deeper.learning.training.trainer import Plan, without_deprecations

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear layers of a Llama block."""


def with_lora(model: Any, plan: Plan) -> Any:
    """Freeze a model and put LoRA into all its linear layers but the last.

    Args:
        model: A causal language model.
        plan: Gives rank, scale, layers and seed.
    """
    count = int(model.config.num_hidden_layers)
    torch.manual_seed(plan.seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=0.0,
        target_modules=list(LINEAR),
        layers_to_transform=None if plan.layers == "all" else list(range(count // 2, count)),
    )
    with without_deprecations():
        return get_peft_model(model, config)


def with_adapter(model: Any, folder: Path, plan: Plan) -> Any:
    """Freeze a model and put an adapter's LoRA into it, to go on training it.

    Args:
        model: The causal language model that the adapter belongs to.
        folder: The adapter's.
        plan: Gives rank, scale and layers, which must be the adapter's.

    Raises:
        UserError: They are not.
    """
    config: Any = LoraConfig.from_pretrained(str(folder))
    layers = "all" if config.layers_to_transform is None else "upper"
    if (config.r, config.lora_alpha, layers) != (plan.rank, plan.alpha, plan.layers):
        raise UserError(
            f"the adapter has rank {config.r}, alpha {config.lora_alpha} and layers {layers}, "
            f"the settings {plan.rank}, {plan.alpha} and {plan.layers}",
            where=str(folder),
            do=f"give --rank {config.r} --alpha {config.lora_alpha} --layers {layers}",
        )
    with without_deprecations():
        return PeftModel.from_pretrained(model, folder, is_trainable=True)
