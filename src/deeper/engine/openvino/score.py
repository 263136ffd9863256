"""Score labels on the paged model: first the prefixes, then their continuations, then the branches of the labels.

Each prefix is computed once. What all prefixes of a call share (the instructions) is also computed once.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.engine.label_tree import LabelTree, combine, split_prefix
from deeper.engine.openvino.paged_model import BLOCK_TOKENS, Floats32, PagedModel, Row, blocks_for

Floats = NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """The tokens of one prompt: a prefix, the tail of each continuation, and the labels."""

    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    tree: LabelTree


def score_questions(model: PagedModel, questions: Sequence[Question], context_tokens: int) -> list[Floats]:
    """Return log-probabilities of the labels.

    Questions are packed into as few calls as the pool of blocks allows. A question that does not fit into one call
    has its continuations spread over several.

    Args:
        model: The model and its pool of blocks.
        questions: The questions to score.
        context_tokens: The longest sequence that the model reads, with one token of the answer.

    Returns:
        For each question a matrix (continuations, labels). A continuation that does not fit has a row of NaN.
    """
    results = [np.full((len(q.tails), len(q.tree.paths)), np.nan) for q in questions]
    chunk: list[tuple[int, int]] = []
    used = 0
    for i, question in enumerate(questions):
        for j, tail in enumerate(question.tails):
            length, prefix = len(question.prefix) + len(tail), blocks_for(0, len(question.prefix))
            branches = question.tree.branches
            needed = blocks_for(len(question.prefix), len(tail)) + sum(blocks_for(length, len(b)) for b in branches)
            if length + max(map(len, branches), default=0) >= context_tokens or needed + prefix > model.pool:
                log.warning("a prompt of %d tokens is too long for the context or the cache and is not scored", length)
                continue
            # The first prefix of a call counts twice: the part that all prefixes share is stored separately.
            shared = 2 * prefix if not chunk else (0 if chunk[-1][0] == i else prefix)
            if chunk and used + needed + shared > model.pool:
                _score_chunk(model, questions, chunk, results)
                chunk, used, shared = [], 0, 2 * prefix
            chunk.append((i, j))
            used += needed + shared
    if chunk:
        _score_chunk(model, questions, chunk, results)
    return results


def _score_chunk(
    model: PagedModel, questions: Sequence[Question], chunk: Sequence[tuple[int, int]], results: list[Floats]
) -> None:
    free = iter(range(model.pool))
    copies: list[tuple[int, int]] = []

    def extend(blocks: list[int], past: int, new: int) -> list[int]:
        """Return blocks for `new` tokens after `past`: share full blocks, copy a partly filled one."""
        if not new:
            return blocks
        full = past // BLOCK_TOKENS
        added = [next(free) for _ in range(blocks_for(past, new))]
        if past % BLOCK_TOKENS:
            copies.append((blocks[full], added[0]))
        return blocks[:full] + added

    def run(rows: Sequence[Row]) -> Floats32:
        model.copy_blocks(copies)
        copies.clear()
        return model.run(rows)

    question_indices = list(dict.fromkeys(i for i, _ in chunk))
    common, _ = split_prefix([(*questions[i].prefix, -1) for i in question_indices])
    if len(question_indices) == 1:
        common = ()
    common_blocks = extend([], 0, len(common))
    if common:
        run([Row(common, 0, common_blocks, [])])

    prefixes = {i: extend(common_blocks, len(common), len(questions[i].prefix) - len(common)) for i in question_indices}
    rows = [
        Row(questions[i].prefix[len(common) :], len(common), prefixes[i], [])
        for i in question_indices
        if len(questions[i].prefix) > len(common)
    ]
    if rows:
        run(rows)

    rows = []
    for i, j in chunk:
        past, tail = len(questions[i].prefix), questions[i].tails[j]
        rows.append(Row(tail, past, extend(prefixes[i], past, len(tail)), [len(tail) - 1]))
    roots = run(rows)

    branch_rows: list[Row] = []
    for (i, _), row in zip(chunk, rows, strict=True):
        past = row.past + len(row.tokens)
        for branch in questions[i].tree.branches:
            blocks = extend(list(row.blocks), past, len(branch))
            branch_rows.append(Row(branch, past, blocks, range(len(branch))))
    after_branches = run(branch_rows) if branch_rows else np.empty((0, 0), np.float32)

    at = 0
    for (i, j), root in zip(chunk, roots, strict=True):
        tree, parts = questions[i].tree, []
        for branch in tree.branches:
            parts.append(after_branches[at : at + len(branch)])
            at += len(branch)
        results[i][j] = combine(tree, root, parts)
