"""Training a policy to write personas as the describer does: SFT on the updaters' prompts, loss on the answer only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from deeper.engine.transformers_model import control_tokens_of, encode_chat, encode_label
from deeper.learning.lessons import Lesson
from deeper.learning.order import in_order
from deeper.learning.training import Plan, Show, Watch, arguments, train, without_deprecations

IGNORED = -100
"""Label of tokens that are no part of the loss."""


@dataclass(frozen=True)
class Example:
    """A lesson in tokens.

    Attributes:
        prompt: Tokens up to where the answer begins, exactly those that an engine reads.
        answer: Tokens of the answer and its end.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Length of the sequence."""
        return len(self.prompt) + len(self.answer)

    @property
    def row(self) -> dict[str, list[int]]:
        """A row of TRL's prepared data."""
        return {
            "input_ids": [*self.prompt, *self.answer],
            "labels": [IGNORED] * len(self.prompt) + list(self.answer),
        }


class Encoder:
    """Turns lessons into tokens."""

    def __init__(self, tokenizer: Any) -> None:
        """Use a tokeniser."""
        self._tokenizer, self._control_tokens = tokenizer, control_tokens_of(tokenizer)

    def __call__(self, lesson: Lesson) -> Example:
        """Encode one lesson."""
        answer = (*encode_label(self._tokenizer, lesson.answer), self._tokenizer.eos_token_id)
        return Example(tuple(encode_chat(self._tokenizer, lesson.prompt, self._control_tokens)), answer)


def train_coldstart(
    model: Any,
    tokenizer: Any,
    training: Sequence[Example],
    validation: Sequence[Example],
    plan: Plan,
    folder: Path,
    show: Show,
) -> list[dict[str, Any]]:
    """Train the adapter in `model`.

    Args:
        model: With LoRA (`with_lora`).
        tokenizer: Its tokeniser.
        training: Examples in the order of their use; those of one step are sorted by length.
        validation: Examples of validation users.
        plan: How to train; the steps are those of `training`.
        folder: The training's folder.
        show: Is told after each step.

    Returns:
        What was logged; see `training.train`.

    Raises:
        UserError: See `training.train`.
    """
    ordered = in_order(training, plan.steps, plan.batch)
    with without_deprecations():
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                **arguments(plan, folder),
                dataset_kwargs={"skip_prepare_dataset": True},
                max_length=None,
                gradient_checkpointing=False,
                bf16=False,
            ),
            train_dataset=Dataset.from_list([example.row for example in ordered]),
            processing_class=tokenizer,
        )
    watch = Watch(plan, lambda: judge(model, validation), show)
    return train(trainer, watch, folder)


def judge(model: Any, examples: Sequence[Example]) -> dict[str, float]:
    """Negative log-likelihood of a token of the answers (`loss`), and share of them that are the likeliest (`hits`)."""
    was_training = model.training
    model.eval()
    causal = model.get_base_model()
    total, hits, count = 0.0, 0, 0
    with torch.inference_mode():
        for example in examples:
            tokens = torch.tensor([[*example.prompt, *example.answer[:-1]]], device=causal.device)
            hidden = causal.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state[0]
            log_probs = causal.get_output_embeddings()(hidden[-len(example.answer) :]).float().log_softmax(dim=-1)
            answer = torch.tensor(example.answer, device=causal.device)
            total -= float(log_probs.gather(1, answer[:, None]).sum())
            hits += int((log_probs.argmax(dim=1) == answer).sum())
            count += len(answer)
    model.train(was_training)
    return {"loss": round(total / count, 5), "hits": round(hits / count, 5)}
