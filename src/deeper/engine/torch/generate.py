"""Generation with a model of transformers: each prompt computed once, its samples side by side behind its cache.

Prompts of a batch are padded on the left. Random numbers are drawn before the first token, for each sample from a
generator of its own, so that neither device nor neighbours decide them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deeper.engine.torch.json_grammar import JsonState


@dataclass(frozen=True)
class Sample:
    """One answer to be written: which prompt, and the how manieth sample of it."""

    prompt: int
    sample: int


@dataclass(frozen=True)
class BatchLimits:
    """What a batch may hold.

    Attributes:
        tokens: Rows × longest prompt with its answer.
        rows: Answers side by side.
    """

    tokens: int
    rows: int


def plan_batches(lengths: Sequence[int], n: int, max_tokens: int, room: BatchLimits) -> list[list[Sample]]:
    """Batches of prompts of similar lengths, the longest first.

    The samples of a prompt stay together unless they are too many for one batch.

    Args:
        lengths: Tokens of each prompt.
        n: Samples of each prompt.
        max_tokens: Longest answer.
        room: What a batch may hold.
    """
    batches: list[list[Sample]] = []
    fit = 0
    for prompt in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or len(batches[-1]) + n > fit:
            # The first prompt of a batch is its longest.
            fit = max(1, min(room.rows, room.tokens // (lengths[prompt] + max_tokens)))
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
    rows: Sequence[Sample],
    *,
    max_tokens: int,
    temperature: float,
    seed: int,
    ends: Collection[int],
    grammars: Sequence[JsonState] = (),
) -> list[list[int]]:
    """Write one batch of answers.

    Args:
        model: A causal language model.
        prompts: Token ids; rows refer to them.
        rows: The answers to write.
        max_tokens: Longest answer.
        temperature: 0 is greedy.
        seed: With the numbers of prompt and sample, the seed of a row.
        ends: Tokens that end an answer.
        grammars: For each row what it must obey; none if empty.

    Returns:
        For each row the tokens of its answer, with the one that ended it.
    """
    asked = list(dict.fromkeys(row.prompt for row in rows))
    tokens, mask = _padded_left([prompts[i] for i in asked], model.device)
    padded = not bool(mask.all())
    output = model(
        input_ids=tokens,
        attention_mask=mask if padded else None,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
        use_cache=True,
        logits_to_keep=1,
    )
    line = {prompt: index for index, prompt in enumerate(asked)}
    source = torch.tensor([line[row.prompt] for row in rows], device=model.device)
    cache = output.past_key_values
    cache.batch_select_indices(source)
    logits, mask = output.logits[source, -1], mask[source]
    draws = _draws(rows, seed, max_tokens, model.device)

    answers: list[list[int]] = [[] for _ in rows]
    lines = list(range(len(rows)))  # the row that each line of the cache belongs to
    open_rows = set(lines)
    for step in range(max_tokens):
        for at, row in enumerate(lines):
            if grammars and row in open_rows:
                logits[at].masked_fill_(~grammars[row].allowed().to(model.device), float("-inf"))
        chosen = next_tokens(logits, temperature, draws[:, step])
        for row, token in zip(lines, chosen.tolist(), strict=True):
            if row in open_rows:
                answers[row].append(token)
                if token in ends:
                    open_rows.remove(row)
                elif grammars:
                    grammars[row].take(token)
        if not open_rows or step + 1 == max_tokens:
            break
        if len(open_rows) <= 0.75 * len(lines):
            kept = torch.tensor([at for at, row in enumerate(lines) if row in open_rows], device=model.device)
            cache.batch_select_indices(kept)
            mask, chosen, draws = mask[kept], chosen[kept], draws[kept]
            lines = [row for row in lines if row in open_rows]
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
    """The next token of each line.

    Args:
        logits: Shape (lines, vocabulary).
        temperature: 0 takes the likeliest token.
        draws: Uniform random numbers below 1; shape (lines,), float64.

    Returns:
        Token ids; shape (lines,).
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    reached = (logits.float() / temperature).softmax(dim=-1).double().cumsum(dim=-1)
    # To the right of equal values, and of less than the whole: a token of probability 0 is never found.
    return torch.searchsorted(reached, draws[:, None] * reached[:, -1:], right=True)[:, 0]


def _padded_left(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Tokens and mask (1 where there is a token); shapes (sequences, longest)."""
    width = max(map(len, sequences))
    tokens = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, sequence in enumerate(sequences):
        tokens[row, width - len(sequence) :] = torch.tensor(sequence)
        mask[row, width - len(sequence) :] = 1
    return tokens.to(device), mask.to(device)


def _draws(rows: Sequence[Sample], seed: int, max_tokens: int, device: torch.device) -> Tensor:
    """Uniform random numbers; shape (rows, max_tokens), float64."""
    generators = [np.random.default_rng([seed % 2**32, row.prompt, row.sample]) for row in rows]
    return torch.from_numpy(np.stack([generator.random(max_tokens) for generator in generators])).to(device)
