"""What engines that run a model themselves do alike: refuse prompts that do not fit, read the samples, count."""

from collections.abc import Callable, Sequence

from deeper.engine.protocol import Completion, Sampling, Usage

Tokens = Sequence[int]


def complete(
    sequences: Sequence[Tokens],
    context_tokens: int,
    sampling: Sampling,
    answers: Callable[[Sequence[Tokens], Sampling], Sequence[Sequence[Tokens]]],
    decode: Callable[[Tokens], str],
    usage: Usage,
) -> list[Completion]:
    """Answer prompts that are already tokens.

    Args:
        sequences: The prompts' tokens.
        context_tokens: Longest sequence that the model reads, its answer included.
        sampling: How to generate.
        answers: Gives the tokens of `sampling.n` samples for each of the prompts that fit.
        decode: Text of a sample's tokens.
        usage: Is added to.
    """
    room = context_tokens - sampling.max_tokens
    fitting = [i for i, sequence in enumerate(sequences) if len(sequence) <= room]
    completions = [Completion((), failure=f"the prompt has more than the {room} tokens that fit")] * len(sequences)
    for i, samples in zip(fitting, answers([sequences[i] for i in fitting], sampling), strict=True):
        texts = tuple(decode(sample).strip() for sample in samples)
        # One empty sample among others is the caller's to judge: it must not cost the others.
        empty = "" if len(texts) == sampling.n and any(texts) else "the model gave an empty answer"
        completions[i] = Completion(() if empty else texts, tuple(map(len, samples)), empty)
        usage.calls += 1
        usage.tokens_prompt += len(sequences[i])
        usage.tokens_generated += sum(map(len, samples))
    return completions
