"""Scores several answers to one prompt in one forward pass of a torch model.

The prompt is computed once: prompt and answers form one sequence, and a mask hides the answers from each other
(`engine.torch.packed_labels`). Padding is on the left, so all sequences end together and logits are needed only there.
The model's own forward is called, so wrappers for several processes work.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from deeper.engine.label_tree import LabelTree
from deeper.engine.torch.packed_labels import pack

_NO_LABELS = LabelTree((), ())

Tokens = Sequence[int]


def lay_out(asked: Sequence[tuple[Tokens, Sequence[Tokens]]]) -> dict[str, Any]:
    """The tensors of one forward pass.

    Args:
        asked: Prompts in tokens, each with at least one answer that ends with the end token.

    Returns:
        For the model: `tokens` and `positions` of shape (prompts, length), `visible` of shape (prompts, 1, length,
        length), and `kept`, the number of last places whose logits are needed.
        For the answers of all prompts in order: `rows` (the answer's prompt) of shape (answers, 1); and padded on the
        right, of shape (answers, tokens): `places` (where among the kept ones each token is predicted), `targets` (the
        tokens) and `present` (not padding).
    """
    # The last token of an answer is only a target, never an input.
    packed = [pack(prompt, [answer[:-1] for answer in answers], _NO_LABELS) for prompt, answers in asked]
    length = max(len(one.tokens) for one in packed)
    kept = 1 + max(sum(len(answer) - 1 for answer in answers) for _, answers in asked)
    tokens = torch.zeros(len(asked), length, dtype=torch.long)
    positions = torch.zeros_like(tokens)
    # Padding attends to itself: a row without any visible token would give NaN.
    visible = torch.eye(length, dtype=torch.bool).repeat(len(asked), 1, 1, 1)
    places: list[Tensor] = []
    rows: list[int] = []
    for row, ((_, answers), one) in enumerate(zip(asked, packed, strict=True)):
        gap = length - len(one.tokens)
        tokens[row, gap:], positions[row, gap:] = one.tokens, one.positions
        visible[row, 0, gap:, gap:] = one.visible
        # All answers begin behind the prompt's last token.
        start = following = kept - 1 - sum(len(answer) - 1 for answer in answers)
        for answer in answers:
            places.append(torch.tensor([start, *range(following + 1, following + len(answer))]))
            rows.append(row)
            following += len(answer) - 1
    spoken = [torch.tensor(answer) for _, answers in asked for answer in answers]
    return {
        "tokens": tokens,
        "positions": positions,
        "visible": visible,
        "kept": kept,
        "rows": torch.tensor(rows)[:, None],
        "places": pad_sequence(places, batch_first=True),
        "targets": pad_sequence(spoken, batch_first=True),
        "present": pad_sequence([torch.ones(len(answer), dtype=torch.bool) for answer in spoken], batch_first=True),
    }


def logits_of(model: Any, batch: dict[str, Any]) -> Tensor:
    """Logits at the places kept, float32 of shape (prompts, kept, vocabulary); differentiable."""
    return model(
        input_ids=batch["tokens"],
        attention_mask=batch["visible"],
        position_ids=batch["positions"],
        use_cache=False,
        logits_to_keep=batch["kept"],
    ).logits.float()
