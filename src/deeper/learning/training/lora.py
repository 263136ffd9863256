"""Adds LoRA to a model for training: new, or from an adapter to continue with."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from deeper.errors import UserError
from deeper.learning.training.recipe import ADAPTER
from deeper.learning.training.trainer import TrainingPlan, without_deprecations


def with_lora(model: Any, plan: TrainingPlan) -> Any:
    """Freeze a model and add new LoRA to all its linear layers except the last.

    Args:
        model: A causal language model.
        plan: Its rank, alpha, layers and seed are used.
    """
    count = int(model.config.num_hidden_layers)
    torch.manual_seed(plan.seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=ADAPTER.dropout,
        target_modules=list(ADAPTER.target_layers),
        layers_to_transform=None if plan.layers == "all" else list(range(count // 2, count)),
    )
    with without_deprecations():
        return get_peft_model(model, config)


def with_adapter(model: Any, folder: Path, plan: TrainingPlan) -> Any:
    """Freeze a model and add an adapter's LoRA, to continue its training.

    Args:
        model: The causal language model that the adapter belongs to.
        folder: The adapter's folder.
        plan: Its rank, alpha and layers must be those of the adapter.

    Raises:
        UserError: They differ.
    """
    config: Any = LoraConfig.from_pretrained(str(folder))
    layers = "all" if config.layers_to_transform is None else "upper"
    if (config.r, config.lora_alpha, layers) != (plan.rank, plan.alpha, plan.layers):
        raise UserError(
            f"the adapter has rank {config.r}, alpha {config.lora_alpha} and layers {layers}, "
            f"but the settings say {plan.rank}, {plan.alpha} and {plan.layers}",
            where=str(folder),
            do=f"give --rank {config.r} --alpha {config.lora_alpha} --layers {layers}",
        )
    with without_deprecations():
        return PeftModel.from_pretrained(model, folder, is_trainable=True)
