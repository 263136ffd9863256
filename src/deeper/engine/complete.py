"""Shared by engines that run a model themselves: refuse prompts that are too long, collect samples, count tokens."""

from collections.abc import Callable, Sequence

import numpy as np

from deeper.engine.protocol import Completion, Floats, Sampling, Usage

Tokens = Sequence[int]


def complete(
    prompts: Sequence[Tokens],
    context_tokens: int,
    sampling: Sampling,
    generate_tokens: Callable[[Sequence[Tokens], Sampling], Sequence[Sequence[Tokens]]],
    decode: Callable[[Tokens], str],
    usage: Usage,
) -> list[Completion]:
    """Answer prompts that are already tokenised.

    Args:
        prompts: The tokens of each prompt.
        context_tokens: The longest sequence that the model reads, answer included.
        sampling: How to generate.
        generate_tokens: Returns the tokens of `sampling.n` samples for each prompt.
        decode: Returns the text of a sample's tokens.
        usage: The counts to add to.

    Returns:
        One completion for each prompt; a failure where the prompt is too long or all answers are empty.
    """
    longest = context_tokens - sampling.max_tokens
    fitting = [i for i, prompt in enumerate(prompts) if len(prompt) <= longest]
    too_long = Completion((), failure=f"the prompt has more than the {longest} tokens that fit")
    completions = [too_long] * len(prompts)
    for i, samples in zip(fitting, generate_tokens([prompts[i] for i in fitting], sampling), strict=True):
        texts = tuple(decode(sample).strip() for sample in samples)
        # The caller deals with one empty sample among others; the other samples are still good.
        failure = "" if len(texts) == sampling.n and any(texts) else "the model gave an empty answer"
        completions[i] = Completion(() if failure else texts, tuple(map(len, samples)), failure)
        usage.calls += 1
        usage.tokens_prompt += len(prompts[i])
        usage.tokens_generated += sum(map(len, samples))
    return completions


def too_long(scores: Sequence[Floats]) -> dict[tuple[int, int], str]:
    """Why rows are NaN, by matrix and row: these engines score all prompts but those that are too long."""
    why = "the prompt is too long for the context"
    return {(i, int(j)): why for i, rows in enumerate(scores) for j in np.flatnonzero(np.isnan(rows).all(axis=1))}
