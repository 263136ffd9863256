"""Score labels with a paged model: what prompts share, then their own prefixes, then the items, then the labels.

    common ─▶ prefix of each question ─▶ tail of each continuation ─▶ branches of the labels, one after the other

What is shared is computed once. The branches of a continuation take turns in the same cache blocks, so they need no
copies.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.engine.label_tree import LabelTree, combine, split_prefix
from deeper.engine.openvino.paged_model import BLOCK_TOKENS, Floats32, PagedModel, Row, blocks_for

Floats = NDArray[np.float64]
Continuation = tuple[int, int]
"""The index of a question and of one of its tails."""
CHUNK_BLOCKS = 128
"""Cache blocks that questions fill before the blocks are used again; one question alone may take more."""
CALL_TOKENS = 1024
"""Tokens of a call, unless one row has more: enough rows for quick matrices, and little memory between layers."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """The tokens of one prompt: a prefix, the tail of each continuation, and the labels."""

    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    tree: LabelTree

    @property
    def answer_tokens(self) -> int:
        """Tokens of the longest branch of the labels."""
        return max(map(len, self.tree.branches), default=0)


def score_questions(model: PagedModel, questions: Sequence[Question], context_tokens: int) -> list[Floats]:
    """Return log-probabilities of the labels.

    Questions whose prefixes begin alike are read together, as many as `CHUNK_BLOCKS` allow. A question that does not
    fit into the pool has its continuations spread over several such chunks.

    Args:
        model: The model and its pool of blocks.
        questions: The questions to score.
        context_tokens: The longest sequence that the model reads, with one token of the answer.

    Returns:
        For each question a matrix (continuations, labels). A continuation that does not fit has a row of NaN.
    """
    results = [np.full((len(q.tails), len(q.tree.paths)), np.nan) for q in questions]
    chunk: list[Continuation] = []
    used = 0
    for i in sorted(range(len(questions)), key=lambda i: questions[i].prefix):
        question = questions[i]
        prefix = blocks_for(0, len(question.prefix))
        for j, tail in enumerate(question.tails):
            length = len(question.prefix) + len(tail)
            needed = blocks_for(len(question.prefix), len(tail) + question.answer_tokens)
            if length + question.answer_tokens >= context_tokens or needed + prefix > model.pool:
                log.warning("a prompt of %d tokens is too long for the context or the cache and is not scored", length)
                continue
            is_next = bool(chunk) and chunk[-1][0] == i
            # The first prefix of a chunk counts twice: the part that all prefixes share is stored separately.
            shared = 2 * prefix if not chunk else prefix * (not is_next)
            # A question is split only if it must be, because each chunk reads its prefix again.
            limit = model.pool if is_next else min(CHUNK_BLOCKS, model.pool)
            if chunk and used + needed + shared > limit:
                _score_chunk(model, questions, chunk, results)
                chunk, used, shared = [], 0, 2 * prefix
            chunk.append((i, j))
            used += needed + shared
    if chunk:
        _score_chunk(model, questions, chunk, results)
    return results


def _score_chunk(
    model: PagedModel, questions: Sequence[Question], chunk: Sequence[Continuation], results: list[Floats]
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
        return np.concatenate([model.run(batch) for batch in _batches(rows)])

    asked = list(dict.fromkeys(i for i, _ in chunk))
    common, _ = split_prefix([(*questions[i].prefix, -1) for i in asked]) if len(asked) > 1 else ((), ())
    common_blocks = extend([], 0, len(common))
    if common:
        run([Row(common, 0, common_blocks, [])])

    own = [i for i in asked if len(questions[i].prefix) > len(common)]
    prefixes = dict.fromkeys(asked, common_blocks)
    prefixes |= {i: extend(common_blocks, len(common), len(questions[i].prefix) - len(common)) for i in own}
    if own:
        run([Row(questions[i].prefix[len(common) :], len(common), prefixes[i], []) for i in own])

    rows: list[Row] = []
    room: list[list[int]] = []  # the blocks of each continuation and of its longest branch
    for i, j in chunk:
        past, tail = len(questions[i].prefix), questions[i].tails[j]
        room.append(extend(prefixes[i], past, len(tail) + questions[i].answer_tokens))
        rows.append(Row(tail, past, room[-1][: blocks_for(0, past + len(tail))], [len(tail) - 1]))
    states = [run(rows)]
    count = len(rows)
    branches: list[list[range]] = [[] for _ in chunk]  # of each continuation, where the states of each branch stand
    for number in range(max(len(questions[i].tree.branches) for i, _ in chunk)):
        branch_rows: list[Row] = []
        for (i, _), row, blocks, places in zip(chunk, rows, room, branches, strict=True):
            for branch in questions[i].tree.branches[number : number + 1]:
                past = row.past + len(row.tokens)
                branch_rows.append(Row(branch, past, blocks[: blocks_for(0, past + len(branch))], range(len(branch))))
                places.append(range(count, count + len(branch)))
                count += len(branch)
        states.append(run(branch_rows))

    tokens = sorted({token for i in asked for path in questions[i].tree.paths for token in path})
    column = {token: index for index, token in enumerate(tokens)}
    log_probs = model.log_probs(np.concatenate(states), tokens)
    for (i, j), root, places in zip(chunk, log_probs, branches, strict=False):
        results[i][j] = combine(questions[i].tree, column, root, [log_probs[place] for place in places])


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Split rows into batches of at most `CALL_TOKENS`."""
    batch: list[Row] = []
    for row in rows:
        if batch and sum(len(one.tokens) for one in batch) + len(row.tokens) > CALL_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    yield batch
