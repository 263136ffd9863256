"""Labels as a tree of tokens: what must be computed to tell the labels apart, and nothing more."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class LabelTree:
    """How labels branch.

    Attributes:
        paths: For each label the tokens up to the first that no other label shares (see `Engine.score`).
        branches: Token sequences to run behind a continuation, each as long as possible; their logits at every
            position, with those behind the continuation itself, decide all labels.
    """

    paths: tuple[Tokens, ...]
    branches: tuple[Tokens, ...]


def label_tree(labels: Sequence[Sequence[int]], end: int) -> LabelTree:
    """Build the tree.

    Args:
        labels: Token ids of each label, all different.
        end: The token that ends an answer.
    """
    closed = [(*label, end) for label in labels]
    paths: list[Tokens] = []
    for j, label in enumerate(closed):
        shared = max((_common(label, other) for i, other in enumerate(closed) if i != j), default=0)
        paths.append(label[: shared + 1])
    inner = {path[:length] for path in paths for length in range(1, len(path))}
    branches = sorted(node for node in inner if not any(other[: len(node)] == node for other in inner - {node}))
    return LabelTree(tuple(paths), tuple(branches))


def split_prefix(
    sequences: Sequence[tuple[int, ...]],
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The longest common beginning of token sequences that leaves each at least one token, and the rests."""
    first, last = min(sequences), max(sequences)
    limit = min(map(len, sequences)) - 1
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return first[:shared], tuple(sequence[shared:] for sequence in sequences)


def _common(one: Tokens, other: Tokens) -> int:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length


def combine(tree: LabelTree, root: Floats, behind: Sequence[Floats]) -> Floats:
    """Log-probabilities of the labels of one continuation.

    Args:
        tree: The labels' tree.
        root: Log-probabilities of the vocabulary behind the continuation; shape (vocabulary,).
        behind: For each branch, log-probabilities behind each of its tokens; shape (tokens, vocabulary).

    Returns:
        Shape (labels,).
    """
    scores = np.zeros(len(tree.paths))
    for j, path in enumerate(tree.paths):
        scores[j] = root[path[0]]
        for depth in range(1, len(path)):
            b = next(b for b, branch in enumerate(tree.branches) if branch[:depth] == path[:depth])
            scores[j] += behind[b][depth - 1, path[depth]]
    return scores
