"""Generate with a model of transformers: each prompt is computed once, and its samples are written side by side.

Prompts of a batch are padded on the left. Each sample has its own random generator, and its numbers are drawn before
the first token. So they depend neither on the device nor on the other samples of the batch.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deeper.engine.torch.json_grammar import JsonState

COMPACT_BELOW = 0.75
"""Finished samples leave the cache when at most this share of its lines is unfinished; copying it costs time."""


@dataclass(frozen=True)
class Sample:
    """One answer to write: the index of its prompt, and its number among that prompt's samples."""

    prompt: int
    number: int


@dataclass(frozen=True)
class BatchLimits:
    """The largest batch.

    Attributes:
        tokens: Samples times the longest prompt with its answer.
        samples: Samples that are written side by side.
    """

    tokens: int
    samples: int


def plan_batches(lengths: Sequence[int], n: int, max_tokens: int, limits: BatchLimits) -> list[list[Sample]]:
    """Sort samples into batches of prompts of similar length, the longest first.

    The samples of a prompt stay together unless there are too many for one batch.

    Args:
        lengths: Tokens of each prompt.
        n: Samples of each prompt.
        max_tokens: The longest answer.
        limits: The largest batch.
    """
    batches: list[list[Sample]] = []
    fit = 0
    for prompt in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or len(batches[-1]) + n > fit:
            # The first prompt of a batch is its longest.
            fit = max(1, min(limits.samples, limits.tokens // (lengths[prompt] + max_tokens)))
            batches.append([])
        for sample in range(n):
            if len(batches[-1]) == fit:
                batches.append([])
            batches[-1].append(Sample(prompt, sample))
    return batches


@torch.inference_mode()
def write_samples(
    model: Any,
    prompts: Sequence[Sequence[int]],
    samples: Sequence[Sample],
    *,
    max_tokens: int,
    temperature: float,
    seed: int,
    end_tokens: Collection[int],
    grammars: Sequence[JsonState] = (),
) -> list[list[int]]:
    """Write one batch of answers.

    Args:
        model: A causal language model.
        prompts: Token ids of all prompts; `samples` holds indices into them.
        samples: The answers to write.
        max_tokens: The longest answer.
        temperature: 0 decodes greedily.
        seed: The seed of a sample is made of this, its prompt's index and its number.
        end_tokens: Tokens that end an answer.
        grammars: The grammar that each sample must follow; empty for none.

    Returns:
        For each sample the tokens of its answer, with the one that ended it.
    """
    prompt_indices = list(dict.fromkeys(sample.prompt for sample in samples))
    tokens, mask = _padded_left([prompts[i] for i in prompt_indices], model.device)
    padded = not bool(mask.all())
    output = model(
        input_ids=tokens,
        attention_mask=mask if padded else None,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
        use_cache=True,
        logits_to_keep=1,
    )
    line = {prompt: index for index, prompt in enumerate(prompt_indices)}
    source = torch.tensor([line[sample.prompt] for sample in samples], device=model.device)
    cache = output.past_key_values
    cache.batch_select_indices(source)
    logits, mask = output.logits[source, -1], mask[source]
    draws = _draws(samples, seed, max_tokens, model.device)

    answers: list[list[int]] = [[] for _ in samples]
    lines = list(range(len(samples)))  # the sample that each line of the cache belongs to
    unfinished = set(lines)
    for step in range(max_tokens):
        for at, sample in enumerate(lines):
            if grammars and sample in unfinished:
                logits[at].masked_fill_(~grammars[sample].allowed().to(model.device), float("-inf"))
        chosen = next_tokens(logits, temperature, draws[:, step])
        for sample, token in zip(lines, chosen.tolist(), strict=True):
            if sample in unfinished:
                answers[sample].append(token)
                if token in end_tokens:
                    unfinished.remove(sample)
                elif grammars:
                    grammars[sample].take(token)
        if not unfinished or step + 1 == max_tokens:
            break
        if len(unfinished) <= COMPACT_BELOW * len(lines):
            kept = torch.tensor([at for at, sample in enumerate(lines) if sample in unfinished], device=model.device)
            cache.batch_select_indices(kept)
            mask, chosen, draws = mask[kept], chosen[kept], draws[kept]
            lines = [sample for sample in lines if sample in unfinished]
        mask = torch.cat([mask, mask.new_ones(len(lines), 1)], dim=1)
        logits = model(
            input_ids=chosen[:, None],
            attention_mask=mask if padded else None,
            position_ids=mask.sum(dim=1, keepdim=True) - 1,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
    return answers


def next_tokens(logits: Tensor, temperature: float, draws: Tensor) -> Tensor:
    """Choose the next token of each line.

    Args:
        logits: Shape (lines, vocabulary).
        temperature: 0 takes the most likely token.
        draws: Uniform random numbers below 1; shape (lines,), float64.

    Returns:
        Token ids; shape (lines,).
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    reached = (logits.float() / temperature).softmax(dim=-1).double().cumsum(dim=-1)
    # `right=True` and draws below the total keep tokens of probability 0 from being chosen.
    return torch.searchsorted(reached, draws[:, None] * reached[:, -1:], right=True)[:, 0]


def _padded_left(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return tokens and mask (1 where there is a token); shapes (sequences, longest)."""
    width = max(map(len, sequences))
    tokens = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, sequence in enumerate(sequences):
        tokens[row, width - len(sequence) :] = torch.tensor(sequence)
        mask[row, width - len(sequence) :] = 1
    return tokens.to(device), mask.to(device)


def _draws(samples: Sequence[Sample], seed: int, max_tokens: int, device: torch.device) -> Tensor:
    """Draw uniform random numbers; shape (samples, max_tokens), float64."""
    generators = [np.random.default_rng([seed % 2**32, sample.prompt, sample.number]) for sample in samples]
    return torch.from_numpy(np.stack([generator.random(max_tokens) for generator in generators])).to(device)
