"""Trains an adapter on examples with a loss: what the policy's cold start and the predictor's training share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments

from deeper.learning.training.order import in_order
from deeper.learning.training.trainer import Monitor, Show, TrainingPlan, Validate, arguments, train

Loss = Callable[[Any, Sequence[Any]], Tensor]
"""Returns the loss of each example, given the model; shape (examples,)."""


class _SupervisedTrainer(Trainer):
    """The Trainer with the mean of our own loss over a batch."""

    loss_is_scaled_for_ga = False

    def __init__(self, loss: Loss, **options: Any) -> None:
        super().__init__(**options)
        self._loss = loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        del return_outputs, num_items_in_batch
        # The Trainer sets the precision in the model's forward, which a loss need not call.
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.args.bf16):
            return self._loss(model, inputs["examples"]).mean()


def train_on_examples(
    model: Any,
    training: Sequence[Any],
    plan: TrainingPlan,
    folder: Path,
    *,
    loss: Loss,
    validate: Validate,
    show: Show,
) -> list[dict[str, Any]]:
    """Train the adapter in `model`.

    Args:
        model: With LoRA (`with_lora`).
        training: Examples in the order of their use. Within a step they are sorted by their `tokens`, which changes
            only the padding.
        plan: How to train; the steps are those of `training`.
        folder: The training's folder.
        loss: The loss.
        validate: Measures the model on validation users.
        show: Called after each step.

    Returns:
        The log; see `trainer.train`.

    Raises:
        UserError: See `trainer.train`.
    """
    trainer = _SupervisedTrainer(
        loss,
        model=model,
        args=TrainingArguments(**arguments(plan, folder)),
        train_dataset=in_order(training, plan.steps, plan.batch),  # type: ignore[arg-type]
        data_collator=lambda examples: {"examples": examples},  # type: ignore[arg-type]
    )
    return train(trainer, Monitor(plan, validate, show), folder)
