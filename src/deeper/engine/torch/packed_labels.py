"""Score the labels of many items of one prompt in one forward pass of a torch model.

One sequence holds the prefix that all items share, each item's own tail, and the branches of the labels. A mask lets
each token see only what precedes it in its own prompt. The prefix is computed once, so ten items cost little more than
one, and gradients flow through all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deeper.engine.label_tree import LabelTree


@dataclass(frozen=True)
class Packed:
    """A packed sequence.

    Attributes:
        tokens: Token ids; shape (length,).
        positions: Position of each token in its own prompt; shape (length,).
        visible: Which tokens (columns) each token (row) sees; shape (length, length).
        nodes: Positions where log-probabilities are read, item by item; shape (items × nodes of the tree,).
        steps: Which token at which node belongs to which label; rows (node of an item, token, label).
        items: Number of items.
        labels: Number of labels.
    """

    tokens: Tensor
    positions: Tensor
    visible: Tensor
    nodes: Tensor
    steps: Tensor
    items: int
    labels: int


def pack(prefix: Sequence[int], tails: Sequence[Sequence[int]], tree: LabelTree) -> Packed:
    """Lay out the items of one prompt in one sequence.

    Args:
        prefix: Tokens that all items share.
        tails: The remaining tokens of each item, up to where the answer begins; at least one.
        tree: The tree of the labels.
    """
    # A segment is a run of tokens with the segments it sees: the prefix, or the prefix and its item's tail.
    segments: list[tuple[Sequence[int], int, tuple[int, ...]]] = [(prefix, 0, ())]
    nodes: list[int] = []
    length = len(prefix)
    for tail in tails:
        tail_index = len(segments)
        segments.append((tail, len(prefix), (0,)))
        length += len(tail)
        nodes.append(length - 1)
        for branch in tree.branches:
            segments.append((branch, len(prefix) + len(tail), (0, tail_index)))
            nodes += range(length, length + len(branch))
            length += len(branch)
    sees = torch.eye(len(segments), dtype=torch.bool)
    for index, (_, _, ancestors) in enumerate(segments):
        sees[index, list(ancestors)] = True
    counts = torch.tensor([len(tokens) for tokens, _, _ in segments])
    segment = torch.arange(len(segments)).repeat_interleave(counts)
    positions = torch.cat([torch.arange(start, start + len(tokens)) for tokens, start, _ in segments])
    return Packed(
        tokens=torch.tensor([token for tokens, _, _ in segments for token in tokens]),
        positions=positions,
        visible=sees[segment][:, segment] & (positions[:, None] >= positions),
        nodes=torch.tensor(nodes, dtype=torch.long),
        steps=torch.tensor(_steps(tree)),
        items=len(tails),
        labels=len(tree.paths),
    )


def label_log_probs(model: Any, batch: Sequence[Packed]) -> list[Tensor]:
    """Return log-probabilities of the labels (see `Engine.score`) in one forward pass; differentiable.

    Args:
        model: A causal language model of transformers, with or without PEFT's adapter layers.
        batch: Packed sequences; shorter ones are padded.

    Returns:
        For each sequence a float32 tensor (items, labels).
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    device, dtype = causal.device, causal.dtype
    length = max(len(packed.tokens) for packed in batch)
    tokens = torch.zeros(len(batch), length, dtype=torch.long)
    positions = torch.zeros(len(batch), length, dtype=torch.long)
    # Padding sees itself, because a row that sees nothing would be NaN.
    visible = torch.eye(length, dtype=torch.bool).repeat(len(batch), 1, 1)
    for row, packed in enumerate(batch):
        size = len(packed.tokens)
        tokens[row, :size], positions[row, :size] = packed.tokens, packed.positions
        visible[row, :size, :size] = packed.visible
    seen = visible.to(device)
    mask = torch.zeros_like(seen, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)
    hidden = causal.get_decoder()(
        input_ids=tokens.to(device),
        attention_mask=mask[:, None],
        position_ids=positions.to(device),
        use_cache=False,
    ).last_hidden_state
    wanted = torch.cat([hidden[row, packed.nodes.to(device)] for row, packed in enumerate(batch)])
    head = causal.get_output_embeddings()
    bias = None if head.bias is None else head.bias.float()
    # In bfloat16 the head would round logits to sixteenths; labels differ by less than that.
    with torch.autocast(device.type, enabled=False):
        log_probs = functional.linear(wanted.float(), head.weight.float(), bias).log_softmax(dim=-1)
    parts = log_probs.split([len(packed.nodes) for packed in batch])
    return [_labels(packed, part) for packed, part in zip(batch, parts, strict=True)]


def _labels(packed: Packed, log_probs: Tensor) -> Tensor:
    """Sum the log-probabilities of each label's steps; `log_probs` has the shape (nodes, vocabulary)."""
    node, token, label = packed.steps.to(log_probs.device).unbind(dim=1)
    by_item = log_probs.reshape(packed.items, -1, log_probs.shape[-1])
    scores = torch.zeros(packed.items, packed.labels, device=log_probs.device)
    return scores.index_add(1, label, by_item[:, node, token])


def _steps(tree: LabelTree) -> list[tuple[int, int, int]]:
    """Return (node, token, label) of every step. Node 0 follows the item; the others follow the branches' tokens."""
    first = [1]
    for branch in tree.branches:
        first.append(first[-1] + len(branch))
    steps: list[tuple[int, int, int]] = []
    for label, path in enumerate(tree.paths):
        for depth, token in enumerate(path):
            node = 0
            if depth:
                branch = next(b for b, branch in enumerate(tree.branches) if branch[:depth] == path[:depth])
                node = first[branch] + depth - 1
            steps.append((node, token, label))
    return steps
