"""A tree of the labels' tokens: the least that must be computed to tell the labels apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class LabelTree:
    """How the labels branch.

    Attributes:
        paths: For each label, its tokens up to the first one that no other label shares (see `Engine.score`).
        branches: Token sequences to run after a continuation, each as long as possible. The logits after the
            continuation and after each of these tokens decide all labels.
    """

    paths: tuple[Tokens, ...]
    branches: tuple[Tokens, ...]


def label_tree(labels: Sequence[Sequence[int]], end_token: int) -> LabelTree:
    """Build the tree.

    Args:
        labels: Token ids of each label; no two labels are equal.
        end_token: The token that ends an answer.
    """
    ended = [(*label, end_token) for label in labels]
    paths: list[Tokens] = []
    for j, label in enumerate(ended):
        shared = max((_common_length(label, other) for i, other in enumerate(ended) if i != j), default=0)
        paths.append(label[: shared + 1])
    inner = {path[:length] for path in paths for length in range(1, len(path))}
    branches = sorted(node for node in inner if not any(other[: len(node)] == node for other in inner - {node}))
    return LabelTree(tuple(paths), tuple(branches))


def split_prefix(
    sequences: Sequence[tuple[int, ...]],
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Split sequences into their longest common prefix and the rest of each; each rest has at least one token."""
    first, last = min(sequences), max(sequences)
    limit = min(map(len, sequences)) - 1
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return first[:shared], tuple(sequence[shared:] for sequence in sequences)


def _common_length(one: Tokens, other: Tokens) -> int:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length


def combine(
    tree: LabelTree, column: Mapping[int, int], root: NDArray[Any], after_branch: Sequence[NDArray[Any]]
) -> Floats:
    """Sum log-probabilities of tokens into log-probabilities of labels, for one continuation.

    Args:
        tree: The tree of the labels.
        column: The column of each token of the tree's paths in the arrays.
        root: Log-probabilities after the continuation; shape (columns,).
        after_branch: For each branch, log-probabilities after each of its tokens; shape (tokens, columns).

    Returns:
        Shape (labels,).
    """
    scores = np.zeros(len(tree.paths))
    for j, path in enumerate(tree.paths):
        scores[j] = root[column[path[0]]]
        for depth in range(1, len(path)):
            b = next(b for b, branch in enumerate(tree.branches) if branch[:depth] == path[:depth])
            scores[j] += after_branch[b][depth - 1, column[path[depth]]]
    return scores
