"""The plainest way to score labels with a model of transformers: each answer for itself, nothing shared or packed."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch


@torch.inference_mode()
def score(model: Any, prompt: Sequence[int], labels: Sequence[Sequence[int]], end: int) -> list[float]:
    """Grow each answer until no other begins like it, and sum the log-probabilities of its tokens."""
    answers = [[*label, end] for label in labels]
    behind = cache(lambda tokens: model(torch.tensor([tokens])).logits[0].log_softmax(dim=-1))
    scores: list[float] = []
    for answer in answers:
        length = next(n for n in range(1, len(answer) + 1) if sum(a[:n] == answer[:n] for a in answers) == 1)
        log_probs = behind((*prompt, *answer[: length - 1]))
        scores.append(sum(log_probs[len(prompt) - 1 + i, answer[i]].item() for i in range(length)))
    return scores
