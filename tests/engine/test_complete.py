from collections.abc import Sequence

from deeper.engine.complete import complete
from deeper.engine.protocol import Completion, Sampling, Usage

WORDS = ["", "quiet", "coves", "   "]


def decode(tokens: Sequence[int]) -> str:
    return " ".join(WORDS[token] for token in tokens)


def test_prompts_that_do_not_fit_fail_and_the_others_keep_their_places() -> None:
    asked: list[Sequence[int]] = []

    def answers(sequences: Sequence[Sequence[int]], sampling: Sampling) -> list[list[list[int]]]:
        asked.extend(sequences)
        return [[[1, 2]] for _ in sequences]

    usage = Usage()
    found = complete([[1], [1] * 9, [2]], 10, Sampling(max_tokens=2), answers, decode, usage)
    assert asked == [[1], [2]]
    assert found[0] == found[2] == Completion(("quiet coves",), (2,))
    assert found[1] == Completion((), failure="the prompt has more than the 8 tokens that fit")
    assert usage == Usage(calls=2, tokens_prompt=2, tokens_generated=4)


def test_an_empty_sample_costs_the_others_nothing() -> None:
    samples = [[[1], [3], [2]], [[0], [3], [3]]]
    found = complete([[1], [2]], 10, Sampling(2, 1.0, 3), lambda sequences, sampling: samples, decode, Usage())
    assert found[0] == Completion(("quiet", "", "coves"), (1, 1, 1))
    assert found[1] == Completion((), (1, 1, 1), "the model gave an empty answer")
