"""Trains a policy to write personas as the describer does: SFT on the updaters' prompts, with a loss on answers only.

The verdict is three tokens of fifty, but the rest of the persona depends on it. Most other tokens only choose among
phrasings. Each lesson therefore asks for the verdict several times: its prompt is computed once, and behind it stand
the persona and the verdict alone in other words (`Example.answers`).

The loss of a lesson is −Σ w log p(token) / Σ w over the tokens of all its answers. Tokens of the verdict weigh
`ColdstartRecipe.verdict_weight`. Other tokens weigh 1 in the persona, and 0 in the verdict answers, which end where a
persona goes on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from deeper.domains.level_words import LEVEL_WORDS
from deeper.engine.torch.model import control_tokens_of, encode_chat, encode_label
from deeper.learning.examples.lessons import Lesson
from deeper.learning.training.recipe import COLDSTART
from deeper.learning.training.shared_prompt import lay_out, logits_of
from deeper.persona.describer import phrases

_LEVEL = f"(?:{'|'.join(word for words in LEVEL_WORDS for word in words)})"
VERDICT = re.compile(
    "|".join(rf"\b{form.format(low=_LEVEL, high=_LEVEL)}\b" for form in (*phrases.BETWEEN, "{low}")), re.IGNORECASE
)
"""A whole verdict. Its first word decides between a level and a place between two levels. If only the words of levels
had weight, the policy would hardly ever name a place between two. The describer uses these words for nothing else."""


@dataclass(frozen=True)
class AnswerTokens:
    """An answer that the policy should give, in tokens.

    Attributes:
        tokens: Its tokens, then the end token.
        weights: The weight of each token in the loss.
    """

    tokens: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Example:
    """A lesson in tokens.

    Attributes:
        prompt: Tokens up to where an answer begins; the same that an engine reads.
        answers: The persona, then the verdict alone in other words.
    """

    prompt: tuple[int, ...]
    answers: tuple[AnswerTokens, ...]

    @property
    def tokens(self) -> int:
        """Length of the sequence."""
        return len(self.prompt) + sum(len(answer.tokens) for answer in self.answers)


class Encoder:
    """Turns lessons into tokens."""

    def __init__(self, tokenizer: Any) -> None:
        """Use a tokeniser."""
        self._tokenizer, self._control_tokens = tokenizer, control_tokens_of(tokenizer)

    def __call__(self, lesson: Lesson) -> Example:
        """Encode one lesson."""
        prompt = tuple(encode_chat(self._tokenizer, lesson.prompt, self._control_tokens))
        verdicts = [self._answer(text, 0.0) for text in lesson.verdict_answers]
        return Example(prompt, (self._answer(lesson.answer, 1.0), *verdicts))

    def _answer(self, text: str, other: float) -> AnswerTokens:
        spans = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        verdicts = [match.span() for match in VERDICT.finditer(text)]
        heavy = [any(start < right and left < end for left, right in verdicts) for start, end in spans]
        weights = (*(COLDSTART.verdict_weight if verdict else other for verdict in heavy), other)
        return AnswerTokens((*encode_label(self._tokenizer, text), self._tokenizer.eos_token_id), weights)


@dataclass(frozen=True)
class Scores:
    """What the model predicts for examples.

    Attributes:
        losses: The loss of each example; shape (examples,).
        likeliest: Whether the token is the model's likeliest; shape (answers, tokens), padded on the right.
        weights: The weight of the token, 0 in the padding; the same shape.
    """

    losses: Tensor
    likeliest: Tensor
    weights: Tensor


def score(model: Any, examples: Sequence[Example]) -> Scores:
    """Score the answers in one forward pass; differentiable."""
    device = next(model.parameters()).device
    batch = lay_out([(one.prompt, [answer.tokens for answer in one.answers]) for one in examples])
    batch = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
    logits = logits_of(model, batch)[batch["rows"], batch["places"]]
    weights = [torch.tensor(answer.weights, device=device) for one in examples for answer in one.answers]
    padded = pad_sequence(weights, batch_first=True)
    lost = -logits.log_softmax(dim=-1).gather(2, batch["targets"][:, :, None])[:, :, 0] * padded

    def by_example(values: Tensor) -> Tensor:
        return torch.zeros(len(examples), device=device).index_add(0, batch["rows"][:, 0], values.sum(dim=1))

    return Scores(by_example(lost) / by_example(padded), logits.argmax(dim=-1) == batch["targets"], padded)


def losses(model: Any, examples: Sequence[Example]) -> Tensor:
    """The loss of each example; shape (examples,)."""
    return score(model, examples).losses


def validate(model: Any, examples: Sequence[Example]) -> dict[str, float]:
    """Measure the `loss` and the share of tokens that are the likeliest: all (`hits`) and the verdict's."""
    was_training = model.training
    model.eval()
    found: list[float] = []
    hits: list[bool] = []
    verdicts: list[bool] = []
    with torch.inference_mode():
        for example in examples:
            one = score(model, [example])
            found.append(float(one.losses))
            hits += one.likeliest[0][one.weights[0] > 0].tolist()
            verdicts += one.likeliest[one.weights > 1].tolist()
    model.train(was_training)
    report = {"loss": fmean(found), "hits": fmean(hits)} | ({"verdict_hits": fmean(verdicts)} if verdicts else {})
    return {name: round(value, 5) for name, value in report.items()}
