"""One odd field of an answer spoils only itself; reasoning and words around JSON are no part of an answer."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from contract import HALF_STARS, PROMPTS, RATER, SCHEMA, STARS
from loopback import Loopback, Reply, completion, serve

from deeper.engine import Completion, Sampling, ScoreRequest
from deeper.engine.openai import calls
from deeper.engine.openai.engine import OpenAIEngine
from deeper.engine.openai.logprobs import label_log_probabilities
from deeper.engine.openai.responses import Answer, Position

PLAIN = Sampling(20)
RATINGS = '{"1": 1, "2": 2, "3": 3}'


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield


def engine_on(server: Loopback) -> OpenAIEngine:
    return OpenAIEngine("tiny", server.url, "", timeout_seconds=5, retries=0)


def answered(body: dict[str, Any], sampling: Sampling = PLAIN) -> Completion:
    with serve(lambda request, number: Reply(body, whole=True)) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], sampling)
    return answer


def says(message: dict[str, Any], finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], **more}


def scored(*positions: dict[str, Any], labels: tuple[str, ...] = STARS) -> dict[str, float]:
    """Probabilities of the labels that are seen."""
    logs = label_log_probabilities(list(map(Position.model_validate, positions)), labels)
    return {label: round(float(np.exp(x)), 4) for label, x in zip(labels, logs, strict=True) if x > -20}


def shown(**probabilities: Any) -> list[dict[str, Any]]:
    return [{"token": token.strip("_"), "logprob": value} for token, value in probabilities.items()]


ODD = {
    "nothing but choices": {"choices": [{"message": {"content": "fine"}}]},
    "null usage": says({"content": "fine"}, usage=None),
    "senseless usage": says({"content": "fine"}, usage={"prompt_tokens": -1, "completion_tokens": "six"}),
    "usage that is a list": says({"content": "fine"}, usage=[]),
    "odd details": says({"content": "fine"}, usage={"prompt_tokens_details": [], "completion_tokens": 1e99}),
    "null index and reason": {"choices": [{"index": None, "message": {"content": "fine"}, "finish_reason": None}]},
    "null id, model and time": says({"content": "fine"}, id=None, model=None, created=None, object=3),
    "text in parts": says({"content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "fine"}]}),
    "odd log-probabilities": {"choices": [{"message": {"content": "fine"}, "logprobs": "none"}]},
    "an error that is empty": says({"content": "fine"}, error=None),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_field_leaves_the_text(case: str) -> None:
    answer = answered(ODD[case])
    assert (answer.texts, answer.failure) == (("fine",), "")
    assert answer.tokens == (0,)


@pytest.mark.parametrize("odd", [None, "-Infinity", "NaN", 2.0, "x", [], float("-inf"), float("nan")], ids=repr)
def test_an_odd_probability_spoils_only_its_token(odd: Any) -> None:
    position = {"token": "4", "logprob": -0.5, "top_logprobs": shown(_4=-0.5, _5=odd, _3=-1.5)}
    assert scored(position) == {"4": 0.6065, "3": 0.2231}


def test_the_probability_of_the_generated_token_is_found_in_either_place() -> None:
    for own, among in ((None, -0.5), (-0.5, None)):
        position = {"token": "4", "logprob": own, "top_logprobs": shown(_4=among, _3=-1.5)}
        assert scored(position) == {"4": 0.6065, "3": 0.2231}


def test_a_path_that_cannot_be_followed_is_split_evenly() -> None:
    first = {"token": "3", "logprob": -0.5, "top_logprobs": shown(_3=-0.5)}
    unknown = {"token": ".", "logprob": None, "top_logprobs": []}
    assert scored(first, unknown, labels=HALF_STARS) == {"3": 0.3033, "3.5": 0.3033}
    assert scored(unknown, labels=HALF_STARS) == {}


def test_alternatives_in_the_old_form_and_without_a_text_are_read() -> None:
    assert scored({"token": "4", "logprob": -0.5, "top_logprobs": {"4": -0.5, "3": -1.5}}) == {"4": 0.6065, "3": 0.2231}
    odd = [{"token": None, "logprob": -0.1}, {"logprob": -0.2}, "x", None, {"token": "4", "logprob": -0.5}]
    assert scored({"token": "4", "logprob": -0.5, "top_logprobs": odd}) == {"4": 0.6065}


@pytest.mark.parametrize("blank", ["Ġ", "▁", "Ċ", "<0x0A>", " ", "\n"])
def test_blank_marks_of_tokenisers_are_blanks(blank: str) -> None:
    alternatives = [{"token": f"{blank}4", "logprob": -0.5}, {"token": "5", "logprob": -1.5}]
    assert scored({"token": f"{blank}4", "logprob": -0.5, "top_logprobs": alternatives}) == {"4": 0.6065, "5": 0.2231}
    first = {"token": blank, "logprob": -0.1, "top_logprobs": [{"token": blank, "logprob": -0.1}]}
    assert scored(first, {"token": "4", "logprob": -0.4, "top_logprobs": []}) == {"4": 0.6065}


def test_the_numbers_that_json_does_not_have_are_read_as_python_writes_them() -> None:
    content = [{"token": "4", "logprob": float("-inf")}]
    raw = {"choices": [{"message": {"content": "4"}, "logprobs": {"content": content}}]}
    [choice] = Answer.model_validate_json(json.dumps(raw)).choices
    assert (choice.text, choice.positions[0].logprob) == ("4", None)


def test_a_row_with_one_odd_alternative_is_scored() -> None:
    content = [{"token": "4", "logprob": -0.5, "top_logprobs": shown(_4=-0.5, _5=None)}]
    with serve(lambda body, number: Reply(completion("4", logprobs={"content": content}), whole=True)) as server:
        [scores] = engine_on(server).score([ScoreRequest(RATER, ("?",), STARS)])
    assert scores[0, 3] == pytest.approx(-0.5)


AROUND = {
    "a fence": f"```json\n{RATINGS}\n```",
    "a fence without a name": f"```\n{RATINGS}\n```",
    "words": f"Here are the ratings: {RATINGS} I hope that helps.",
    "reasoning": f"<think>They like {{}} and [1].</think>\n{RATINGS}",
    "reasoning and a fence": f"<think>hm</think>```json\n{RATINGS}```",
}


@pytest.mark.parametrize("case", AROUND)
def test_json_is_read_without_what_stands_around_it(case: str) -> None:
    answer = answered(says({"content": AROUND[case]}), Sampling(20, json_schema=SCHEMA))
    assert (answer.texts, answer.failure) == ((RATINGS,), "")


@pytest.mark.parametrize(
    "text", [f"{RATINGS} or {RATINGS}", "no JSON", "{1: 2}", "[1, 2, 3]", "{" * 5000, f"[{RATINGS}, 3]"]
)
def test_what_is_not_exactly_one_object_is_left_to_the_readout(text: str) -> None:
    assert answered(says({"content": text}), Sampling(20, json_schema=SCHEMA)).texts == (text,)


REASONED = {
    "vLLM and llama.cpp": {"content": "fine", "reasoning_content": "They like slate."},
    "Ollama and OpenRouter": {"content": "fine", "reasoning": "They like slate."},
    "in the text": {"content": "<think>They like slate.</think>\n\nfine"},
    "in the text, of another name": {"content": "<thinking>They like slate.</thinking> fine"},
    "in the text, begun in the prompt": {"content": "They like slate.\n</think>\n\nfine"},
}


@pytest.mark.parametrize("case", REASONED)
def test_reasoning_is_no_part_of_an_answer_nor_of_its_length(case: str) -> None:
    answer = answered(says(REASONED[case], usage={"completion_tokens": 20}))
    assert answer.texts == ("fine",)
    assert answer.tokens == (4,)


@pytest.mark.parametrize("message", [{"content": "<think>They like"}, {"content": None, "reasoning": "They like"}])
@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["text", "JSON"])
def test_an_answer_that_is_all_reasoning_fails_with_advice_and_without_another_try(message: Any, schema: Any) -> None:
    with serve(lambda body, number: Reply(says(message, "length"), whole=True)) as server:
        engine = OpenAIEngine("tiny", server.url, "", retries=3)
        [answer] = engine.generate(PROMPTS[:1], Sampling(20, json_schema=schema))
        assert len(server.bodies) == 1
    assert answer.texts == ()
    assert "all 20 tokens went into reasoning; raise max_persona_tokens" in answer.failure


def test_json_that_is_cut_off_fails_and_a_persona_that_is_cut_off_stays_as_with_every_engine() -> None:
    cut = says({"content": '{"1": 1, "2"'}, "length")
    assert answered(cut, Sampling(20, json_schema=SCHEMA)).failure == "the JSON was cut off at 20 tokens"
    assert answered(says({"content": "They like slate and"}, "length")).texts == ("They like slate and",)
    assert answered(says({"content": RATINGS}, "length"), Sampling(20, json_schema=SCHEMA)).texts == (RATINGS,)
