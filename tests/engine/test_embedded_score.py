import logging
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.engine.label_tree import LabelTree, label_tree, split_prefix
from deeper.engine.openvino import score
from deeper.engine.openvino.paged_model import BLOCK_TOKENS, Row, blocks_for
from deeper.engine.openvino.score import Question, score_questions

VOCABULARY = 16
END = 0
HALVES = label_tree([(1,), (1, 2), (1, 2, 3), (4,), (5, 6), (5, 7)], END)
DIGITS = label_tree([(1,), (2,), (3,)], END)
AMPLE = 1000
UNLIMITED = 10**6


@cache
def log_probabilities(sequence: bytes) -> np.ndarray:
    """Behind a sequence of tokens; one other token anywhere, and all of it is different."""
    logits = np.random.default_rng(zlib.crc32(sequence)).normal(size=VOCABULARY)
    return (logits - np.log(np.exp(logits).sum())).astype(np.float32)


class FakeModel:
    """Keeps what a paged cache keeps, tokens at their positions in blocks. Its hidden states are log-probabilities."""

    def __init__(self, pool: int) -> None:
        self.pool = pool
        self.store = np.full((pool, BLOCK_TOKENS), -1)
        self.calls: list[int] = []
        """Tokens computed in each call."""

    def copy_blocks(self, pairs: Sequence[tuple[int, int]]) -> None:
        assert not {source for source, _ in pairs} & {target for _, target in pairs}
        for source, target in pairs:
            self.store[target] = self.store[source]

    def run(self, rows: Sequence[Row]) -> np.ndarray:
        self.calls.append(sum(len(row.tokens) for row in rows))
        written: set[tuple[int, int]] = set()
        for row in rows:
            assert len(row.tokens) > 0
            assert len(row.blocks) == -(-(row.past + len(row.tokens)) // BLOCK_TOKENS)
            for position, token in enumerate(row.tokens, start=row.past):
                slot = (row.blocks[position // BLOCK_TOKENS], position % BLOCK_TOKENS)
                assert slot not in written
                written.add(slot)
                self.store[slot] = token
        answers: list[np.ndarray] = []
        for row in rows:
            whole = self.store[list(row.blocks)].ravel()
            assert (whole[: row.past + len(row.tokens)] >= 0).all()
            answers += [log_probabilities(whole[: row.past + place + 1].tobytes()) for place in row.wanted]
        return np.array(answers) if answers else np.empty((0, 0), np.float32)

    def log_probs(self, hidden: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        return hidden[:, list(tokens)]


def expected(question: Question) -> np.ndarray:
    """Token after token, with no cache at all."""
    scores = np.zeros((len(question.tails), len(question.tree.paths)))
    for j, tail in enumerate(question.tails):
        for label, path in enumerate(question.tree.paths):
            for depth, token in enumerate(path):
                sequence = np.array([*question.prefix, *tail, *path[:depth]])
                scores[j, label] += log_probabilities(sequence.tobytes())[token]
    return scores


def assert_scored(pool: int, questions: Sequence[Question]) -> FakeModel:
    model = FakeModel(pool)
    results = score_questions(model, questions, UNLIMITED)
    assert len(results) == len(questions)
    for result, question in zip(results, questions, strict=True):
        np.testing.assert_allclose(result, expected(question), atol=1e-4)
    return model


def text(length: int, seed: int = 0) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(1, VOCABULARY, length).tolist())


class TestSplitPrefix:
    def test_the_common_beginning_and_the_rests(self) -> None:
        assert split_prefix([(1, 2, 3), (1, 2, 4, 5), (1, 2, 3, 9)]) == ((1, 2), ((3,), (4, 5), (3, 9)))

    def test_every_rest_keeps_a_token(self) -> None:
        assert split_prefix([(1, 2), (1, 2, 3)]) == ((1,), ((2,), (2, 3)))
        assert split_prefix([(1, 2, 3)]) == ((1, 2), ((3,),))
        assert split_prefix([(1, 2), (1, 2)]) == ((1,), ((2,), (2,)))

    def test_nothing_in_common(self) -> None:
        assert split_prefix([(1, 2), (3,)]) == ((), ((1, 2), (3,)))

    @given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple), min_size=1, max_size=5))
    def test_is_the_longest(self, sequences: list[tuple[int, ...]]) -> None:
        prefix, tails = split_prefix(sequences)
        assert [prefix + tail for tail in tails] == sequences
        assert all(tails)
        assert min(map(len, tails)) == 1 or len({tail[0] for tail in tails}) > 1


@pytest.mark.parametrize("new", [1, BLOCK_TOKENS - 1, BLOCK_TOKENS, BLOCK_TOKENS + 1])
@pytest.mark.parametrize("past", [0, 1, BLOCK_TOKENS - 1, BLOCK_TOKENS, 2 * BLOCK_TOKENS + 5])
def test_blocks_behind_a_past(past: int, new: int) -> None:
    touched = {position // BLOCK_TOKENS for position in range(past, past + new)}
    assert blocks_for(past, new) == len(touched)


@pytest.mark.parametrize(
    "length", [1, BLOCK_TOKENS - 2, BLOCK_TOKENS - 1, BLOCK_TOKENS, BLOCK_TOKENS + 1, 3 * BLOCK_TOKENS]
)
@pytest.mark.parametrize("tail", [1, 2, BLOCK_TOKENS])
def test_around_the_edges_of_blocks(length: int, tail: int) -> None:
    assert_scored(AMPLE, [Question(text(length), (text(tail, 1), text(tail, 2)), HALVES)])


def test_a_single_continuation_of_a_single_question() -> None:
    assert_scored(AMPLE, [Question(text(50), (text(1, 1),), HALVES)])
    assert_scored(AMPLE, [Question((), (text(3, 1),), HALVES)])


def test_duplicate_continuations_get_equal_rows() -> None:
    question = Question(text(40), (text(5, 1), text(4, 2), text(5, 1)), HALVES)
    assert_scored(AMPLE, [question])
    [scores] = score_questions(FakeModel(AMPLE), [question], UNLIMITED)
    np.testing.assert_array_equal(scores[0], scores[2])


def test_nothing_to_score() -> None:
    model = FakeModel(AMPLE)
    assert score_questions(model, [], UNLIMITED) == []
    results = score_questions(model, [Question((), (), DIGITS), Question(text(3), (text(1),), DIGITS)], UNLIMITED)
    assert [result.shape for result in results] == [(0, 3), (1, 3)]
    assert np.isfinite(results[1]).all()


@pytest.mark.parametrize("shared", [0, 5, BLOCK_TOKENS, BLOCK_TOKENS + 7])
def test_what_prefixes_share_is_computed_once(shared: int) -> None:
    own = [20, 1, 45]
    questions = [
        Question((*text(shared), seed, *text(length - 1, seed)), (text(3, 8), text(6, 9)), DIGITS)
        for seed, length in enumerate(own, start=1)
    ]
    model = assert_scored(AMPLE, questions)
    assert model.calls == [*([shared] if shared else []), sum(own), 3 * (3 + 6)]


def test_a_prefix_that_is_the_beginning_of_another() -> None:
    assert_scored(AMPLE, [Question(text(n), (text(2, 1), text(3, 2)), HALVES) for n in (40, 70, 40, 32)])


@pytest.mark.parametrize("length", [20, BLOCK_TOKENS, BLOCK_TOKENS + 7])
def test_equal_prefixes(length: int) -> None:
    questions = [Question(text(length), (text(2, seed), text(30, seed + 9)), HALVES) for seed in (1, 2, 3)]
    assert assert_scored(AMPLE, questions).calls[0] == length


def test_questions_of_different_labels() -> None:
    tails = (text(2, 1), text(30, 2))
    assert_scored(AMPLE, [Question(text(40), tails, HALVES), Question(text(41), tails, DIGITS)])


def test_a_pool_that_is_just_large_enough() -> None:
    question = Question(text(BLOCK_TOKENS + 1), (text(1, 1),), DIGITS)
    assert len(assert_scored(3, [question]).calls) == 2


def test_a_tiny_pool_takes_more_calls_to_the_same_numbers() -> None:
    questions = [
        Question((*text(33), *text(20 + seed, seed)), tuple(text(n, 10 * seed + n) for n in range(1, 12)), HALVES)
        for seed in range(1, 5)
    ]
    few, many = assert_scored(AMPLE, questions), assert_scored(12, questions)
    assert len(few.calls) == 5
    assert len(many.calls) > 10


def test_branches_take_turns_in_the_same_blocks() -> None:
    def blocks(tree: LabelTree) -> int:
        question = Question(text(40), tuple(text(5, seed) for seed in range(8)), tree)
        return int((assert_scored(AMPLE, [question]).store >= 0).any(axis=1).sum())

    assert len(HALVES.branches) > 1
    assert blocks(HALVES) == blocks(DIGITS) == 2 + 8


def test_a_chunk_fills_no_more_blocks_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "CHUNK_BLOCKS", 12)
    questions = [Question(text(40, seed), (text(5, 8), text(6, 9)), DIGITS) for seed in range(9)]
    assert (assert_scored(AMPLE, questions).store >= 0).any(axis=1).sum() <= 12


def test_a_long_question_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "CHUNK_BLOCKS", 4)
    question = Question(text(200), tuple(text(5, seed) for seed in range(9)), DIGITS)
    assert assert_scored(AMPLE, [question, Question(text(30, 1), (text(2),), DIGITS)]).calls.count(200) == 1


def test_questions_that_begin_alike_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "CHUNK_BLOCKS", 20)
    begin = {domain: text(64, domain) for domain in (1, 2)}
    questions = [Question((*begin[1 + n % 2], *text(9, 10 + n)), (text(3, 5),), DIGITS) for n in range(8)]
    assert [calls for calls in assert_scored(AMPLE, questions).calls if calls == 64] == [64, 64]


def test_a_continuation_that_does_not_fit_the_pool_is_nan_and_said(caplog: pytest.LogCaptureFixture) -> None:
    short, long = text(4, 1), text(5 * BLOCK_TOKENS, 2)
    questions = [Question(text(40), (short, long, short), DIGITS), Question(text(9 * BLOCK_TOKENS), (short,), DIGITS)]
    with caplog.at_level(logging.WARNING):
        first, second = score_questions(FakeModel(6), questions, UNLIMITED)
    np.testing.assert_allclose(first[[0, 2]], expected(questions[0])[[0, 2]], atol=1e-4)
    assert np.isnan(first[1]).all()
    assert np.isnan(second).all()
    assert [record.args for record in caplog.records] == [(40 + 5 * BLOCK_TOKENS,), (9 * BLOCK_TOKENS + 4,)]


@pytest.mark.parametrize(("tree", "answer"), [(DIGITS, 1), (HALVES, 3)], ids=["digits", "halves"])
def test_the_context_holds_prompt_and_answer(tree: LabelTree, answer: int) -> None:
    question = Question(text(20), (text(4, 1),), tree)
    [fits] = score_questions(FakeModel(AMPLE), [question], 24 + answer)
    [exceeds] = score_questions(FakeModel(AMPLE), [question], 24 + answer - 1)
    assert np.isfinite(fits).all()
    assert np.isnan(exceeds).all()


@st.composite
def many_questions(draw: st.DrawFn) -> list[Question]:
    instructions = text(draw(st.integers(0, 70)))
    questions: list[Question] = []
    for seed in range(draw(st.integers(1, 4))):
        lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
        shared = draw(st.integers(0, len(instructions)))
        prefix = (*instructions[:shared], *text(draw(st.integers(0, 70)), draw(st.integers(0, seed))))
        tails = tuple(text(length, 100 * seed + j) for j, length in enumerate(lengths))
        questions.append(Question(prefix, tails, draw(st.sampled_from([HALVES, DIGITS]))))
    return questions


@given(many_questions(), st.integers(2, 40))
def test_any_packing_gives_the_numbers_of_no_cache(questions: list[Question], pool: int) -> None:
    results = score_questions(FakeModel(pool), questions, UNLIMITED)
    for question, result in zip(questions, results, strict=True):
        scored = np.isfinite(result).all(axis=1)
        np.testing.assert_allclose(result[scored], expected(question)[scored], atol=1e-4)
        for j in np.flatnonzero(~scored):
            length = len(question.prefix) + len(question.tails[j])
            widest = 1 + len(question.tree.branches)
            assert -(-len(question.prefix) // BLOCK_TOKENS) + widest * (1 + length // BLOCK_TOKENS) > pool
