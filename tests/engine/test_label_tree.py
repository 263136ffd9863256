import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.engine.label_tree import LabelTree, combine, label_tree

END = 0
DOT, FIVE = 9, 5
"""Digits stand for themselves, as in a tokeniser with one token a digit."""


def tree_of(*labels: tuple[int, ...]) -> LabelTree:
    return label_tree(labels, END)


def test_labels_of_one_token_need_nothing_behind_the_continuation() -> None:
    tree = tree_of((1,), (2,), (3,))
    assert tree.paths == ((1,), (2,), (3,))
    assert tree.branches == ()


def test_a_label_stops_at_its_first_own_token() -> None:
    tree = tree_of((7, 8, 6), (7, 4, 6), (2, 8, 6))
    assert tree.paths == ((7, 8), (7, 4), (2,))
    assert tree.branches == ((7,),)


def test_1_and_10_are_told_apart_by_the_end_of_the_answer() -> None:
    tree = tree_of((1,), (1, 8), (2,))
    assert tree.paths == ((1, END), (1, 8), (2,))
    assert tree.branches == ((1,),)


def test_half_stars() -> None:
    halves = [(8, DOT, FIVE), (1,), (1, DOT, FIVE), (3,), (3, DOT, FIVE), (5,)]
    tree = tree_of(*halves)
    assert tree.paths == ((8,), (1, END), (1, DOT), (3, END), (3, DOT), (5,))
    assert tree.branches == ((1,), (3,))


def test_a_branch_serves_all_labels_that_run_through_it() -> None:
    tree = tree_of((1,), (1, DOT), (1, DOT, 2), (1, DOT, 3))
    assert tree.paths == ((1, END), (1, DOT, END), (1, DOT, 2), (1, DOT, 3))
    assert tree.branches == ((1, DOT),)


def test_a_single_label_is_known_by_its_first_token() -> None:
    assert tree_of((4, 5, 6)) == LabelTree(((4,),), ())


def toy_log_probability(past: Sequence[int], token: int) -> float:
    """A conditional distribution over tokens 0..9: any function of the past will do."""
    logits = [math.sin(1.0 + 3.7 * t + sum((i + 1) * (t + 2) * (p + 1) for i, p in enumerate(past))) for t in range(10)]
    return logits[token] - math.log(sum(map(math.exp, logits)))


def vocabulary(past: Sequence[int]) -> np.ndarray:
    return np.array([toy_log_probability(past, token) for token in range(10)])


def combined(labels: Sequence[tuple[int, ...]]) -> np.ndarray:
    tree = label_tree(labels, END)
    behind = [np.array([vocabulary(b[: i + 1]) for i in range(len(b))]) for b in tree.branches]
    return combine(tree, {token: token for token in range(10)}, vocabulary(()), behind)


labels_of_digits = st.lists(
    st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple), min_size=1, max_size=7, unique=True
)


def brute_force(labels: Sequence[tuple[int, ...]], j: int) -> float:
    """Read the definition of `Engine.score` literally: grow the answer until only label j begins like it."""
    answers = [(*label, END) for label in labels]
    total, length = 0.0, 0
    while True:
        total += toy_log_probability(answers[j][:length], answers[j][length])
        length += 1
        if sum(answer[:length] == answers[j][:length] for answer in answers) == 1:
            return total


@given(labels_of_digits)
def test_combine_equals_brute_force(labels: list[tuple[int, ...]]) -> None:
    expected = [brute_force(labels, j) for j in range(len(labels))]
    np.testing.assert_allclose(combined(labels), expected, atol=1e-12)


@given(labels_of_digits)
def test_labels_exclude_one_another(labels: list[tuple[int, ...]]) -> None:
    paths = label_tree(labels, END).paths
    for j, path in enumerate(paths):
        assert (*labels[j], END)[: len(path)] == path
        assert not any(other[: len(path)] == path for i, other in enumerate(paths) if i != j)
    assert np.exp(combined(labels)).sum() <= 1 + 1e-9


@given(labels_of_digits)
def test_no_branch_is_run_in_vain(labels: list[tuple[int, ...]]) -> None:
    tree = label_tree(labels, END)
    inner = {path[:length] for path in tree.paths for length in range(1, len(path))}
    assert inner == {branch[:length] for branch in tree.branches for length in range(1, len(branch) + 1)}
    for i, branch in enumerate(tree.branches):
        assert not any(other[: len(branch)] == branch for k, other in enumerate(tree.branches) if k != i)


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_the_order_of_labels_is_the_order_of_scores(shift: int) -> None:
    labels = [(1,), (1, 2), (3, 1)]
    rotated = labels[shift:] + labels[:shift]
    np.testing.assert_allclose(combined(rotated), np.roll(combined(labels), -shift))
