"""Trains a policy by direct preference optimisation (Rafailov et al. 2023), on TRL's trainer.

The loss of a pair of a chosen answer c and a rejected answer r is

    −log σ(β (log π(c)/ρ(c) − log π(r)/ρ(r)))  −  w · mean over the tokens of c of log π(token)

with the policy π and the reference ρ. The preference term is TRL's `sigmoid`, the SFT term that of LLaMA-Factory. Both
are means over pairs, so the loss does not depend on how pairs are batched. (TRL's own `sft` is one mean over all chosen
tokens of a batch.) The reference's log-probabilities are computed once, before the training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from deeper.learning.training.order import in_order
from deeper.learning.training.pair_tokens import Answers, Example, lay_out, read_answers
from deeper.learning.training.trainer import Monitor, Show, TrainingPlan, arguments, train, without_deprecations

METRIC_NAMES = {
    "preference": "preference",
    "sft": "sft",
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "logps/chosen": "logp_chosen",
    "logps/rejected": "logp_rejected",
    "kl": "kl",
}
"""Our name of each metric of TRL."""


@dataclass(frozen=True)
class Objective:
    """The objective of a DPO training.

    Attributes:
        beta: β; higher values keep the policy nearer to the reference.
        sft_weight: w, the weight of the SFT term.
        save_memory: Whether to recompute activations in the backward pass.
    """

    beta: float
    sft_weight: float
    save_memory: bool = False


_Trainer: Any = DPOTrainer


class _DpoTrainer(_Trainer):
    """TRL's trainer with the loss above."""

    def __init__(self, sft_weight: float, **words: Any) -> None:
        super().__init__(**words)
        self._sft_weight = sft_weight
        # TRL copies the adapter as the reference, but we already have the reference's log-probabilities.
        self.model.delete_adapter("ref")
        self.precompute_ref_logps = True

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        del return_outputs, num_items_in_batch
        answers = read_answers(model, inputs)

        def forward(**_: Any) -> Answers:
            return answers

        preference: Tensor = super().compute_loss(forward, inputs)
        present = inputs["present"]
        sft = -(answers.log_probs.sum(dim=1) / present.sum(dim=1)).chunk(2)[0].mean()
        ratio = (answers.log_probs.detach() - inputs["reference"]).double()
        kl = ((torch.exp(-ratio) - 1 + ratio) * present).sum(dim=1).mean()
        metrics = self._metrics["train" if self.model.training else "eval"]
        for name, value in (("preference", preference), ("sft", sft), ("kl", kl)):
            metrics[name].append(self.accelerator.gather(value.detach()).mean().item())
        return preference + self._sft_weight * sft

    def validate(self, examples: Sequence[Example]) -> dict[str, float]:
        """Measure other pairs as training steps are measured; empty without pairs."""
        metrics = self._metrics["eval"]
        losses: list[float] = []
        sizes: list[int] = []
        self.model.eval()
        size = self.args.per_device_eval_batch_size
        with torch.inference_mode(), self.compute_loss_context_manager():
            for at in range(0, len(examples), size):
                batch = self._prepare_inputs(collate(examples[at : at + size]))
                losses.append(float(self.compute_loss(self.model, batch)))
                sizes.append(len(examples[at : at + size]))
        self.model.train()
        columns = {"loss": losses} | {ours: metrics[trl] for trl, ours in METRIC_NAMES.items()}
        report = {name: round(float(np.average(found, weights=sizes)), 5) for name, found in columns.items() if found}
        metrics.clear()
        return report

    def create_model_card(self, *args: Any, **words: Any) -> None:
        """Write no model card into checkpoints: `deeper.json` is the adapter's card."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        """Return the data as it is: pairs are already tokens."""
        return dataset

    def _send_telemetry(self) -> None:
        """Send nothing."""


def collate(examples: Sequence[Example]) -> dict[str, Any]:
    """The tensors of one micro-batch: those of `lay_out`, the reference's, and those that TRL's loss needs."""
    batch = lay_out([example.pair for example in examples])
    spoken = [torch.tensor(row) for row in (*(e.chosen for e in examples), *(e.rejected for e in examples))]
    reference = pad_sequence(spoken, batch_first=True)
    chosen, rejected = reference.sum(dim=1).chunk(2)
    before = torch.zeros(len(reference), 1, dtype=torch.long)
    return {
        **batch,
        "reference": reference,
        "ref_chosen_logps": chosen,
        "ref_rejected_logps": rejected,
        # TRL expects the prompt's last token first in each row; the mask's sum is the number of answer tokens.
        "input_ids": torch.cat([before, batch["targets"]], dim=1),
        "completion_mask": torch.cat([before, batch["present"].long()], dim=1),
        "attention_mask": torch.tensor([example.pair.total_tokens for example in examples]),
    }


def train_dpo(
    model: Any,
    tokenizer: Any,
    training: Sequence[Example],
    validation: Sequence[Example],
    plan: TrainingPlan,
    objective: Objective,
    folder: Path,
    show: Show,
) -> list[dict[str, Any]]:
    """Train the adapter in `model`.

    Args:
        model: With LoRA (`lora.with_lora`, `lora.with_adapter`).
        tokenizer: The model's.
        training: Examples in the order of their use; within a step they are sorted by length.
        validation: Examples of validation users; may be empty.
        plan: How to train; the steps are those of `training`.
        objective: The loss.
        folder: The training's folder.
        show: Called after each step.

    Returns:
        The log; see `trainer.train`. Steps and validations have `loss`, its terms `preference` and `sft`, `accuracy`
        (share of pairs whose chosen answer has the higher reward), `reward_chosen` and `reward_rejected` (β log π/ρ of
        the answers), `margin` (their difference), `logp_chosen` and `logp_rejected` (log π), and `kl`. Steps also have
        TRL's other numbers by its names. `kl` is the sum over an answer's tokens of ρ/π − 1 − log(ρ/π) (Schulman's k3),
        mean over the answers. It would estimate KL(π ‖ ρ) on answers of π; these answers are of an earlier policy.

    Raises:
        UserError: See `trainer.train`.
    """
    ordered = in_order(training, plan.steps, plan.batch)

    def collated(rows: Sequence[dict[str, int]]) -> dict[str, Any]:
        return collate([ordered[row["index"]] for row in rows])

    shared: dict[str, Any] = {**arguments(plan, folder), "bf16": torch.cuda.is_available()}
    with without_deprecations():
        config = DPOConfig(
            **shared,
            beta=objective.beta,
            max_length=None,
            gradient_checkpointing=objective.save_memory,
            ddp_find_unused_parameters=False,
        )
        trainer = _DpoTrainer(
            objective.sft_weight,
            model=model,
            args=config,
            processing_class=tokenizer,
            # TRL takes no list.
            train_dataset=Dataset.from_dict({"index": range(len(ordered))}),
            data_collator=collated,
        )
    entries = train(trainer, Monitor(plan, lambda: trainer.validate(validation), show), folder)
    return [{METRIC_NAMES.get(name, name): value for name, value in entry.items()} for entry in entries]
