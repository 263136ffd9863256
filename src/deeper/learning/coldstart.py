"""Training a policy to write personas as the describer does: SFT on the updaters' prompts, loss on the answer only.

The loss of a lesson is −Σ_i w_i log p(token i) / Σ_i w_i over the tokens of its answer. The words of the verdict weigh
`VERDICT_WEIGHT`, all others 1: they are three tokens of fifty, and what the rest of the persona hangs on, while most of
the other tokens only choose among phrasings.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from deeper.engine.transformers_model import control_tokens_of, encode_chat, encode_label
from deeper.learning.lessons import Lesson
from deeper.learning.levels import RUNGS
from deeper.learning.order import in_order
from deeper.learning.training import Plan, Show, Watch, arguments, train

VERDICT = re.compile(rf"\b({'|'.join(word for words in RUNGS for word in words)})\b", re.IGNORECASE)
"""Words that say how good something is. The describer uses them for the typical verdict and for nothing else."""
VERDICT_WEIGHT = 10.0


@dataclass(frozen=True)
class Example:
    """A lesson in tokens.

    Attributes:
        prompt: Tokens up to where the answer begins, exactly those that an engine reads.
        answer: Tokens of the answer and its end.
        weights: What each token of the answer weighs in the loss.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def tokens(self) -> int:
        """Length of the sequence."""
        return len(self.prompt) + len(self.answer)


class Encoder:
    """Turns lessons into tokens."""

    def __init__(self, tokenizer: Any) -> None:
        """Use a tokeniser."""
        self._tokenizer, self._control_tokens = tokenizer, control_tokens_of(tokenizer)

    def __call__(self, lesson: Lesson) -> Example:
        """Encode one lesson."""
        answer = (*encode_label(self._tokenizer, lesson.answer), self._tokenizer.eos_token_id)
        spans = self._tokenizer(lesson.answer, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        verdicts = [match.span() for match in VERDICT.finditer(lesson.answer)]
        heavy = [any(start < right and left < end for left, right in verdicts) for start, end in spans]
        weights = (*(VERDICT_WEIGHT if verdict else 1.0 for verdict in heavy), 1.0)
        return Example(tuple(encode_chat(self._tokenizer, lesson.prompt, self._control_tokens)), answer, weights)


class _ColdstartTrainer(Trainer):
    """The Trainer with the loss above."""

    loss_is_scaled_for_ga = False

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        del return_outputs, num_items_in_batch
        examples: Sequence[Example] = inputs["examples"]
        return torch.stack(
            [_loss(found, e) for found, e in zip(answer_log_probs(model, examples), examples, strict=True)]
        ).mean()


def answer_log_probs(model: Any, examples: Sequence[Example]) -> list[torch.Tensor]:
    """Log-probabilities at the places of the answers' tokens, each of shape (tokens, vocabulary).

    Padding is on the left, so that answers end together and logits are computed for them alone.
    """
    device = next(model.parameters()).device
    length = max(example.tokens for example in examples)
    ids = torch.zeros((len(examples), length), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, example in enumerate(examples):
        ids[row, length - example.tokens :] = torch.tensor([*example.prompt, *example.answer])
        mask[row, length - example.tokens :] = 1
    kept = max(len(example.answer) for example in examples) + 1
    logits = model(
        input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False, logits_to_keep=kept
    ).logits
    return [logits[row, -len(e.answer) - 1 : -1].float().log_softmax(dim=-1) for row, e in enumerate(examples)]


def _loss(log_probs: torch.Tensor, example: Example) -> torch.Tensor:
    answer = torch.tensor(example.answer, device=log_probs.device)
    weights = torch.tensor(example.weights, device=log_probs.device)
    return -(log_probs.gather(1, answer[:, None])[:, 0] * weights).sum() / weights.sum()


def train_coldstart(
    model: Any, training: Sequence[Example], validation: Sequence[Example], plan: Plan, folder: Path, show: Show
) -> list[dict[str, Any]]:
    """Train the adapter in `model`.

    Args:
        model: With LoRA (`with_lora`).
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
    trainer = _ColdstartTrainer(
        model=model,
        args=TrainingArguments(**arguments(plan, folder)),
        train_dataset=in_order(training, plan.steps, plan.batch),  # type: ignore[arg-type]
        data_collator=lambda examples: {"examples": examples},  # type: ignore[arg-type]
    )
    watch = Watch(plan, lambda: judge(model, validation), show)
    return train(trainer, watch, folder)


def judge(model: Any, examples: Sequence[Example]) -> dict[str, float]:
    """The training's `loss`, and the share of tokens that are the likeliest: of all, and of the verdicts' words."""
    was_training = model.training
    model.eval()
    found: list[float] = []
    hits: list[bool] = []
    verdicts: list[bool] = []
    with torch.inference_mode():
        for example in examples:
            [log_probs] = answer_log_probs(model, [example])
            found.append(float(_loss(log_probs, example)))
            hit = [int(best) == token for best, token in zip(log_probs.argmax(dim=1), example.answer, strict=True)]
            hits += hit
            verdicts += [one for one, weight in zip(hit, example.weights, strict=True) if weight > 1]
    model.train(was_training)
    report = {"loss": fmean(found), "hits": fmean(hits)} | ({"verdict_hits": fmean(verdicts)} if verdicts else {})
    return {name: round(value, 5) for name, value in report.items()}
