"""Scoring on the paged model: each prefix once, its continuations together, then the branches of the labels.

What the prefixes of a call share (the instructions) is computed once too.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.engine.label_tree import LabelTree, combine, split_prefix
from deeper.engine.openvino.paged_model import BLOCK, Floats32, PagedModel, Row, blocks_for

Floats = NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """One prompt's tokens: a prefix, what follows it in each continuation, and the labels."""

    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    tree: LabelTree


def score_questions(model: PagedModel, questions: Sequence[Question], context_tokens: int) -> list[Floats]:
    """Log-probabilities of the labels.

    Questions are packed into as few calls as the pool of blocks allows; a question that does not fit even alone
    has its continuations spread over several calls.

    Args:
        model: The model and its pool of blocks.
        questions: What is asked.
        context_tokens: Longest sequence the model can read, with a token of the answer.

    Returns:
        For each question a matrix (continuations, labels); the row of a continuation that does not fit is NaN.
    """
    results = [np.full((len(q.tails), len(q.tree.paths)), np.nan) for q in questions]
    chunk: list[tuple[int, int]] = []
    used = 0
    for i, question in enumerate(questions):
        for j, tail in enumerate(question.tails):
            length, prefix = len(question.prefix) + len(tail), blocks_for(0, len(question.prefix))
            branches = question.tree.branches
            own = blocks_for(len(question.prefix), len(tail)) + sum(blocks_for(length, len(b)) for b in branches)
            if length + max(map(len, branches), default=0) >= context_tokens or own + prefix > model.pool:
                log.warning("a prompt of %d tokens is not scored: it does not fit the context or the cache", length)
                continue
            # The first prefix of a call counts twice: what it shares with the others has blocks of its own.
            shared = 2 * prefix if not chunk else (0 if chunk[-1][0] == i else prefix)
            if chunk and used + own + shared > model.pool:
                _score_chunk(model, questions, chunk, results)
                chunk, used, shared = [], 0, 2 * prefix
            chunk.append((i, j))
            used += own + shared
    if chunk:
        _score_chunk(model, questions, chunk, results)
    return results


def _score_chunk(
    model: PagedModel, questions: Sequence[Question], chunk: Sequence[tuple[int, int]], results: list[Floats]
) -> None:
    free = iter(range(model.pool))
    copies: list[tuple[int, int]] = []

    def extend(blocks: list[int], past: int, new: int) -> list[int]:
        """Blocks for `new` tokens behind `past`: full ones are shared, a partly filled one is copied if it grows."""
        if not new:
            return blocks
        full = past // BLOCK
        own = [next(free) for _ in range(blocks_for(past, new))]
        if past % BLOCK:
            copies.append((blocks[full], own[0]))
        return blocks[:full] + own

    def run(rows: Sequence[Row]) -> Floats32:
        model.copy_blocks(copies)
        copies.clear()
        return model.run(rows)

    asked = list(dict.fromkeys(i for i, _ in chunk))
    common, _ = split_prefix([(*questions[i].prefix, -1) for i in asked])
    if len(asked) == 1:
        common = ()
    common_blocks = extend([], 0, len(common))
    if common:
        run([Row(common, 0, common_blocks, [])])

    prefixes = {i: extend(common_blocks, len(common), len(questions[i].prefix) - len(common)) for i in asked}
    rows = [
        Row(questions[i].prefix[len(common) :], len(common), prefixes[i], [])
        for i in asked
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
    behind = run(branch_rows) if branch_rows else np.empty((0, 0), np.float32)

    at = 0
    for (i, j), root in zip(chunk, roots, strict=True):
        tree, parts = questions[i].tree, []
        for branch in tree.branches:
            parts.append(behind[at : at + len(branch)])
            at += len(branch)
        results[i][j] = combine(tree, root, parts)
