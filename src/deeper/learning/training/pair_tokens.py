"""Preference pairs in tokens, and the log-probabilities of both answers in one forward pass.

The prompt of a pair is computed once (`shared_prompt`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deeper.engine.protocol import Prompt
from deeper.engine.torch.model import control_tokens_of, encode_chat, encode_label
from deeper.learning.training import shared_prompt


@dataclass(frozen=True)
class Pair:
    """A prompt and two answers in tokens.

    Attributes:
        prompt: Tokens up to where an answer begins; the same that an engine reads.
        chosen: Tokens of the better answer, then the end token.
        rejected: Tokens of the worse answer, then the end token.
    """

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Length of the longer of the two: prompt and chosen, prompt and rejected."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))

    @property
    def total_tokens(self) -> int:
        """Tokens of both answers, each counted with the prompt."""
        return 2 * len(self.prompt) + len(self.chosen) + len(self.rejected)


@dataclass(frozen=True)
class Example:
    """A pair with its log-probabilities under the reference.

    Attributes:
        pair: The pair.
        chosen: Log-probability of each token of the chosen answer.
        rejected: Log-probability of each token of the rejected answer.
    """

    pair: Pair
    chosen: tuple[float, ...]
    rejected: tuple[float, ...]

    @property
    def tokens(self) -> int:
        """Length, to sort by."""
        return self.pair.tokens


@dataclass(frozen=True)
class Answers:
    """The model's predictions at the tokens of the answers, as TRL's loss needs them; shape (2 × pairs, tokens).

    The chosen answers come first, then the rejected ones; shorter answers are padded on the right.

    Attributes:
        log_probs: Log-probability of each token; 0 in the padding.
        entropy: Entropy of the distribution there; without gradient.
        mean_logits: Mean of the logits there; without gradient.
        is_top1: Whether the token is the likeliest.
    """

    log_probs: Tensor
    entropy: Tensor
    mean_logits: Tensor
    is_top1: Tensor


class Encoder:
    """Turns pairs into tokens."""

    def __init__(self, tokenizer: Any) -> None:
        """Use a tokeniser."""
        self._tokenizer, self._control_tokens = tokenizer, control_tokens_of(tokenizer)

    def __call__(self, prompt: Prompt, chosen: str, rejected: str) -> Pair:
        """Encode one pair."""
        tokens = encode_chat(self._tokenizer, prompt, self._control_tokens)
        return Pair(tuple(tokens), self._answer(chosen), self._answer(rejected))

    def _answer(self, text: str) -> tuple[int, ...]:
        return (*encode_label(self._tokenizer, text), self._tokenizer.eos_token_id)


def lay_out(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The tensors of one forward pass, from `shared_prompt.lay_out`: the chosen answers, then the rejected ones."""
    batch = shared_prompt.lay_out([(pair.prompt, [pair.chosen, pair.rejected]) for pair in pairs])
    order = torch.arange(2 * len(pairs)).reshape(-1, 2).T.flatten()
    return batch | {name: batch[name][order] for name in ("rows", "places", "targets", "present")}


def read_answers(model: Any, batch: dict[str, Any]) -> Answers:
    """Score the answers of a batch of `lay_out` in one forward pass; differentiable."""
    logits = shared_prompt.logits_of(model, batch)
    log_probs = logits.log_softmax(dim=-1)
    rows, places, targets, present = (batch[name] for name in ("rows", "places", "targets", "present"))
    with torch.no_grad():
        entropy = -(log_probs.exp() * log_probs).sum(dim=-1)
        mean_logits, top = logits.mean(dim=-1), logits.argmax(dim=-1)
    return Answers(
        log_probs=log_probs[rows, places, targets].masked_fill(~present, 0.0),
        entropy=entropy[rows, places],
        mean_logits=mean_logits[rows, places],
        is_top1=top[rows, places] == targets,
    )


def log_probs_of(model: Any, pairs: Sequence[Pair], micro_batch: int) -> list[tuple[list[float], list[float]]]:
    """Compute the log-probabilities of the tokens of both answers, without gradient.

    Args:
        model: The model, with its adapter on or off.
        pairs: The pairs.
        micro_batch: Pairs in a forward pass.

    Returns:
        For each pair those of the chosen answer and those of the rejected one.
    """
    device = next(model.parameters()).device
    found: dict[int, tuple[list[float], list[float]]] = {}
    by_length = sorted(range(len(pairs)), key=lambda index: pairs[index].tokens)
    was_training = model.training
    model.eval()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        for at in range(0, len(by_length), micro_batch):
            chosen = by_length[at : at + micro_batch]
            batch = lay_out([pairs[index] for index in chosen])
            batch = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
            log_probs = read_answers(model, batch).log_probs.cpu()
            for row, index in enumerate(chosen):
                pair = pairs[index]
                found[index] = (
                    log_probs[row, : len(pair.chosen)].tolist(),
                    log_probs[row + len(chosen), : len(pair.rejected)].tolist(),
                )
    model.train(was_training)
    return [found[index] for index in range(len(pairs))]
