import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.measure.text import content_words, distinctness, redundancy, retention, words


def test_words_keep_inner_apostrophes_and_hyphens():
    assert words("Doesn’t like slow-paced noir; 4 of 5!") == ["doesn’t", "like", "slow-paced", "noir", "4", "of", "5"]


def test_content_words_leave_function_words_out():
    assert content_words("The user likes quiet dramas, and the quiet ones.") == {"likes", "quiet", "dramas", "ones"}


def test_redundancy_by_hand():
    # 3-grams: abc bca cab abc; one of four repeats.
    assert redundancy("a b c a b c") == pytest.approx(1 / 4)
    assert redundancy("likes drama") == 0
    assert redundancy("quiet drama without a happy end") == 0


def test_retention_by_hand():
    assert retention("quiet drama, strict", "quiet comedy") == pytest.approx(1 / 3)
    assert np.isnan(retention("of the", "quiet comedy"))


def test_distinctness_by_hand():
    # Jaccard: 1/3, 0 and 0.
    assert distinctness(["quiet drama", "quiet comedy", "horror"]) == pytest.approx(1 - 1 / 9)
    assert distinctness(["", ""]) == 0
    assert np.isnan(distinctness(["alone"]))


@given(st.text(max_size=80))
def test_a_text_is_like_itself(text):
    assert 0 <= redundancy(text) < 1
    assert distinctness([text, text]) == pytest.approx(0)
    kept = retention(text, text)
    assert np.isnan(kept) if not content_words(text) else kept == 1
