"""Reading labels from top alternatives, whatever the tokeniser."""

import itertools

import numpy as np
import pytest
from contract import HALF_STARS, STARS
from hypothesis import given
from hypothesis import strategies as st

from deeper.engine.openai.logprobs import label_log_probabilities
from deeper.engine.openai.responses import Alternative, Position
from deeper.engine.protocol import LOG_PROB_FLOOR


def positions(*shown: dict[str, float]) -> list[Position]:
    """Positions given as probabilities; the first token of each is the generated one."""
    found = []
    for position in shown:
        top = [Alternative(token=token, logprob=float(np.log(p))) for token, p in position.items()]
        found.append(Position(token=top[0].token, logprob=top[0].logprob, top_logprobs=top))
    return found


def read(labels: tuple[str, ...], *shown: dict[str, float]) -> dict[str, float]:
    """Probabilities of the labels that are seen, rounded."""
    logs = label_log_probabilities(positions(*shown), labels)
    return {label: round(float(np.exp(x)), 6) for label, x in zip(labels, logs, strict=True) if x > LOG_PROB_FLOOR}


def test_whole_stars_need_the_first_position_only() -> None:
    first = {"4": 0.5, "5": 0.3, " 4": 0.05, "The": 0.1}
    assert read(STARS, first, {".": 1.0}) == {"4": 0.55, "5": 0.3}


def test_what_only_looks_like_a_label_is_none() -> None:
    assert read(STARS, {"45": 0.5, "4th": 0.2, "4.5": 0.1, "5/5": 0.05, "5,": 0.02}) == {"5": 0.07}
    assert read(("yes", "no"), {"yesterday": 0.5, "no!": 0.3, "n": 0.1}) == {"no": 0.4}


def test_a_label_in_one_token() -> None:
    assert read(HALF_STARS, {"3.5": 0.6, "0.5": 0.2, "5": 0.1}) == {"3.5": 0.6, "0.5": 0.2, "5": 0.1}


def test_the_generated_path_resolves_a_shared_beginning() -> None:
    first = {"3": 0.6, "5": 0.2}
    dot = {".": 0.7, "<|im_end|>": 0.25}
    assert read(HALF_STARS, first, dot, {"5": 0.9, "7": 0.1}) == {"3": 0.18, "3.5": 0.42, "5": 0.2}


def test_the_end_of_an_answer_has_many_names() -> None:
    for end in ("<|im_end|>", "", "\n", " stars", "/5", "!"):
        assert read(HALF_STARS, {"3": 0.6}, {end: 0.7, ".": 0.2, "7": 0.1}) == {"3": 0.42, "3.5": 0.12}


def test_an_end_that_is_left_out_is_the_whole_label() -> None:
    assert read(HALF_STARS, {"3": 0.6, "4": 0.2}) == {"3": 0.6, "4": 0.1, "4.5": 0.1}


def test_off_the_path_a_shared_beginning_is_split_evenly() -> None:
    assert read(HALF_STARS, {"5": 0.6, "3": 0.2, "0": 0.1}) == {"5": 0.6, "3": 0.1, "3.5": 0.1, "0.5": 0.1}
    hundred = tuple(map(str, range(101)))
    assert read(hundred, {"x": 0.5, "1": 0.12})["100"] == 0.01


def test_leading_blanks_are_followed_on_the_path_and_ignored_off_it() -> None:
    assert read(STARS, {" ": 0.8, "4": 0.2}, {"5": 0.5, "4": 0.5}) == {"4": 0.6, "5": 0.4}
    assert read(HALF_STARS, {"\n": 0.8}, {" ": 0.5}, {"4": 0.5}, {".": 1.0}) == {"4.5": 0.2}
    assert read(STARS, {"4": 0.2, " ": 0.8}) == {"4": 0.2}


def test_a_generated_token_that_is_not_among_the_alternatives_counts() -> None:
    [position] = positions({"5": 0.3})
    outside = Position(token="4", logprob=float(np.log(0.1)), top_logprobs=position.top_logprobs)
    np.testing.assert_allclose(np.exp(label_log_probabilities([outside], ("4", "5"))), [0.1, 0.3])


def test_an_answer_of_words_shows_no_label() -> None:
    assert read(STARS, {"The": 0.9, "I": 0.1}, {" 4": 1.0}) == {}


TOKENS = ["3", "3.5", ".", "5", "4", " ", "", "\n", "<|im_end|>", " stars", "0", "1", "10", "x"]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(TOKENS), st.floats(0.001, 1.0), min_size=1, max_size=6),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([STARS, HALF_STARS, tuple(map(str, range(11)))]),
)
def test_no_probability_is_made_up(weights: list[dict[str, float]], labels: tuple[str, ...]) -> None:
    shown = [{token: w / sum(p.values()) * 0.99 for token, w in p.items()} for p in weights]
    logs = label_log_probabilities(positions(*shown), labels)
    assert logs.shape == (len(labels),)
    assert ((logs >= LOG_PROB_FLOOR) & (logs <= 0)).all()
    assert np.exp(logs).sum() <= 1 + 1e-6


# A model of two steps: its answers are known, so is the exact probability of each label.
VOCABULARY = ["3", "4", ".", "5", "<end>"]


@pytest.mark.parametrize("seed", range(5))
def test_the_path_of_a_known_model_is_exact(seed: int) -> None:
    random = np.random.default_rng(seed)
    prefixes = [prefix for n in range(3) for prefix in itertools.product(VOCABULARY, repeat=n)]
    table = {prefix: random.dirichlet(np.ones(5)) for prefix in prefixes}
    table[()] = np.array([0.9, 0.05, 0.0001, 0.0498, 0.0001])
    path, shown = (), []
    for _ in range(3):
        best = int(np.argmax(table[path]))
        order = [best, *(i for i in range(5) if i != best)]
        shown.append({VOCABULARY[i]: float(table[path][i]) for i in order})
        path = (*path, VOCABULARY[best])
        if path[-1] == "<end>":
            break
    logs = label_log_probabilities(positions(*shown), ("3", "3.5"))
    after_3 = dict(zip(VOCABULARY, table[("3",)], strict=True))
    np.testing.assert_allclose(np.exp(logs), [0.9 * after_3["<end>"], 0.9 * after_3["."]], rtol=1e-9)
