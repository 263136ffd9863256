"""What a server refuses is left out or replaced: found once, said once, remembered for the run."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from contract import PROMPTS, RATER, SCHEMA, STARS
from loopback import Loopback, Reply, completion, serve

from deeper.engine import NoLogProbabilities, Prompt, Sampling, ScoreRequest
from deeper.engine.openai import calls
from deeper.engine.openai.engine import OpenAIEngine
from deeper.errors import UserError

Body = dict[str, Any]
SAMPLES = Sampling(max_tokens=20, temperature=1.0, n=3, json_schema=SCHEMA)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield


def engine_on(server: Loopback, **options: Any) -> OpenAIEngine:
    return OpenAIEngine("tiny", server.url, "", **{"timeout_seconds": 5, "retries": 1, **options})


def logprobs(token: str, shown: int = 20) -> Body:
    alternatives = [{"token": token, "logprob": -0.1}] + [{"token": f"x{i}", "logprob": -9.0} for i in range(1, shown)]
    return {"content": [{**alternatives[0], "top_logprobs": alternatives}]}


def refusing(is_refused: Callable[[Body], bool], status: int, error: Any) -> Callable[[Body, int], Reply]:
    """A server that refuses such requests and answers all others."""

    def respond(body: Body, number: int) -> Reply:
        if is_refused(body):
            return Reply(error, status, delay_seconds=0.02)
        shown = logprobs("4", body["top_logprobs"]) if body.get("logprobs") else None
        text = "4" if shown else '{"1": 1, "2": 2, "3": 3}'
        return Reply(completion(*[text] * body.get("n", 1), logprobs=shown))

    return respond


def openai_says(message: str, param: str | None = None) -> Body:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}


def forbidden(name: str, value: Any) -> Body:
    msg = "Extra inputs are not permitted"
    detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": msg, "input": value}]
    return {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error", "code": None}


def has_system(body: Body) -> bool:
    return body["messages"][0]["role"] == "system"


def has_schema(body: Body) -> bool:
    return body.get("response_format", {}).get("type") == "json_schema"


def has(name: str) -> Callable[[Body], bool]:
    return lambda body: name in body


def is_lacking(name: str) -> Callable[[Body], bool]:
    return lambda body: name not in body


def joins_messages(body: Body) -> bool:
    [message] = body["messages"]
    return message["role"] == "user" and message["content"].startswith(PROMPTS[0].system + "\n\n")


GENERATING: dict[str, tuple[Callable[[Body], bool], int, Any, Callable[[Body], bool], str]] = {
    "OpenAI: max_tokens": (
        has("max_tokens"),
        400,
        openai_says(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
        ),
        lambda body: body["max_completion_tokens"] == 20,
        "takes max_completion_tokens",
    ),
    "OpenAI: temperature": (
        has("temperature"),
        400,
        openai_says(
            "Unsupported value: 'temperature' does not support 0 with this model. "
            "Only the default (1) value is supported.",
            "temperature",
        ),
        is_lacking("temperature"),
        "takes no temperature",
    ),
    "OpenAI: system": (
        has_system,
        400,
        openai_says("Unsupported value: 'messages[0].role' does not support 'system' with this model."),
        joins_messages,
        "takes no system message",
    ),
    "vLLM: system, in the template": (
        has_system,
        400,
        {"object": "error", "message": "System role not supported", "type": "BadRequestError", "code": 400},
        joins_messages,
        "takes no system message",
    ),
    "llama.cpp: system, as an internal error": (
        has_system,
        500,
        {"error": {"code": 500, "message": "Jinja Exception: Conversation roles must alternate"}},
        joins_messages,
        "takes no system message",
    ),
    "Mistral: seed": (
        has("seed"),
        422,
        forbidden("seed", 1),
        is_lacking("seed"),
        "takes no seed",
    ),
    "Mistral through a proxy: seed in a text that is JSON": (
        has("seed"),
        422,
        {"object": "error", "message": json.dumps({"detail": forbidden("seed", 1)["message"]["detail"]})},
        is_lacking("seed"),
        "takes no seed",
    ),
    "Gemini: seed": (
        has("seed"),
        400,
        [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'}}],
        is_lacking("seed"),
        "takes no seed",
    ),
    "Groq: n": (
        lambda body: body.get("n", 1) > 1,
        400,
        openai_says("'n' : number must be at most 1"),
        is_lacking("n"),
        "one answer to a request",
    ),
    "llama-cpp-python: n": (
        lambda body: body.get("n", 1) > 1,
        400,
        {"error": {"message": "Only one completion choice is allowed", "type": "invalid_request_error", "code": 400}},
        is_lacking("n"),
        "one answer to a request",
    ),
    "DeepSeek: JSON schema": (
        has_schema,
        400,
        openai_says("This response_format type is unavailable now"),
        lambda body: body["response_format"] == {"type": "json_object"},
        "JSON mode is used",
    ),
    "Groq: JSON schema": (
        has_schema,
        400,
        openai_says("This model does not support response format `json_schema`.", "response_format"),
        lambda body: body["response_format"] == {"type": "json_object"},
        "JSON mode is used",
    ),
    "LM Studio: neither schema nor JSON mode": (
        has("response_format"),
        400,
        {"error": "'response_format.type' must be 'text'"},
        is_lacking("response_format"),
        "read from plain text",
    ),
    "no word of what it is about": (
        has("seed"),
        400,
        {"error": "Bad Request"},
        lambda body: set(body) >= {"temperature", "max_tokens", "response_format", "n"} and "seed" not in body,
        "takes no seed",
    ),
}


@pytest.mark.parametrize("case", GENERATING)
def test_a_refused_parameter_is_replaced_once_said_once_and_remembered(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    is_refused, status, error, is_adapted, note = GENERATING[case]
    with serve(refusing(is_refused, status, error)) as server:
        engine = engine_on(server)
        [answer] = engine.generate(PROMPTS[:1], SAMPLES)
        assert answer.failure == ""
        assert len(answer.texts) == 3
        assert is_adapted(server.bodies[-1])
        known = len(server.bodies)
        [again] = engine.generate(PROMPTS[:1], Sampling(max_tokens=20, json_schema=SCHEMA))
        assert again.failure == ""
        assert len(server.bodies) == known + 1
    said = [record.getMessage() for record in caplog.records if "note:" in record.getMessage()]
    assert len(said) == 1
    assert note in said[0]


def test_requests_in_flight_find_the_same_thing_once(caplog: pytest.LogCaptureFixture) -> None:
    respond = refusing(has("seed"), 400, {"error": "Bad Request"})
    with serve(respond) as server:
        answers = engine_on(server, concurrency=8).generate(
            [Prompt("s", str(number)) for number in range(24)], Sampling(max_tokens=20)
        )
    assert [answer.failure for answer in answers] == [""] * 24
    assert caplog.text.count("takes no seed") == 1
    assert len(server.bodies) <= 24 + 2 * 8


def test_one_server_may_refuse_several_things(caplog: pytest.LogCaptureFixture) -> None:
    def respond(body: Body, number: int) -> Reply:
        for name, message in (
            ("max_tokens", "Use 'max_completion_tokens' instead of 'max_tokens'."),
            ("temperature", "'temperature' does not support 0; only the default (1) value is supported"),
            ("seed", "Unrecognized request argument supplied: seed"),
        ):
            if name in body:
                return Reply(openai_says(message), 400)
        return Reply(completion("fine"))

    with serve(respond) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], Sampling(max_tokens=20))
    assert answer.texts == ("fine",)
    assert {*server.bodies[-1]} >= {"model", "messages", "max_completion_tokens"}
    assert caplog.text.count("note:") == 3


def test_a_temperature_of_0_becomes_a_small_one_where_it_must_be_positive() -> None:
    error = openai_says("`temperature` must be strictly positive")
    with serve(refusing(lambda body: body["temperature"] == 0, 422, error)) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], Sampling(max_tokens=20))
    assert answer.failure == ""
    assert server.bodies[-1]["temperature"] == 0.01


@pytest.mark.parametrize(
    ("message", "most"),
    [
        ("Invalid value for 'top_logprobs': must be less than or equal to 5.", 5),
        ("Requested sample logprobs of 20, which is greater than max allowed: 8", 8),
        ("Cannot request more than 5 logprobs.", 5),
        ("20 is greater than the maximum of 1 - 'logprobs'", 1),
        ("top_logprobs is out of range", 5),
    ],
)
def test_fewer_alternatives_are_asked_for_where_the_server_shows_fewer(
    message: str, most: int, caplog: pytest.LogCaptureFixture
) -> None:
    def respond(body: Body, number: int) -> Reply:
        if body["top_logprobs"] > most:
            return Reply(openai_says(message), 400)
        return Reply(completion("4", logprobs=logprobs("4", most)))

    with serve(respond) as server:
        [scores] = engine_on(server).score([ScoreRequest(RATER, ("?",), STARS)])
    assert scores[0, 3] == pytest.approx(-0.1)
    assert server.bodies[-1]["top_logprobs"] == most
    assert f"shows at most {most} alternatives" in caplog.text


@pytest.mark.parametrize("message", ["`logprobs` is not supported with this model", "Logprobs is not enabled for m"])
def test_a_server_that_refuses_logprobs_is_asked_once(message: str) -> None:
    with serve(refusing(has("logprobs"), 400, openai_says(message))) as server:
        engine = engine_on(server, concurrency=1)
        for _ in range(2):
            with pytest.raises(NoLogProbabilities, match="gives no log-probabilities"):
                engine.score([ScoreRequest(RATER, ("?", "!"), STARS)])
        assert len(server.bodies) == 1
        assert engine.generate(PROMPTS[:1], Sampling(max_tokens=20))[0].failure == ""


@pytest.mark.parametrize("status", [200, 500, 501])
def test_logprobs_may_be_refused_with_any_status(status: int) -> None:
    respond = refusing(has("logprobs"), status, openai_says("logprobs is not supported"))
    with serve(respond) as server, pytest.raises(NoLogProbabilities):
        engine_on(server).score([ScoreRequest(RATER, ("?",), STARS)])


def test_a_prompt_that_is_refused_for_its_own_sake_teaches_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def respond(body: Body, number: int) -> Reply:
        title = body["messages"][-1]["content"]
        if "bad" in title:
            return Reply(openai_says(f"request 0x{number}f: this text is not allowed: {title}"), 400)
        return Reply(completion("fine"))

    with serve(respond) as server:
        engine = engine_on(server)
        bad = [Prompt("s", f"bad: the temperature of a seed, system role, {number}") for number in range(3)]
        answers = engine.generate(bad, Sampling(max_tokens=20))
        assert all("not allowed" in answer.failure for answer in answers)
        assert engine.generate(PROMPTS[:1], Sampling(max_tokens=20))[0].texts == ("fine",)
        assert {*server.bodies[-1]} >= {"temperature", "seed", "max_tokens"}
        assert len(server.bodies[-1]["messages"]) == 2
        before = len(server.bodies)
        engine.generate([Prompt("s", "bad")], Sampling(max_tokens=20))
        assert len(server.bodies) == before + 1
    assert "note:" not in caplog.text


def test_a_prompt_that_is_too_long_is_sent_once() -> None:
    message = "'max_tokens' is too large: 20. This model's maximum context length is 4096 tokens"
    with serve(refusing(lambda body: True, 400, openai_says(message, "max_tokens"))) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], Sampling(max_tokens=20))
    assert "context length" in answer.failure
    assert len(server.bodies) == 1


NO_CREDIT = {
    "OpenAI": (
        429,
        {
            "error": {
                "message": "You exceeded your current quota, please check your plan and billing details.",
                "type": "insufficient_quota",
                "code": "insufficient_quota",
            }
        },
    ),
    "DeepSeek": (402, {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}),
    "OpenRouter": (402, {"error": {"message": "This request requires more credits", "code": 402}}),
    "OpenRouter, inside a response of status 200": (200, {"error": {"message": "Payment required", "code": 402}}),
    "Anthropic": (400, {"error": {"message": "Your credit balance is too low to access the API"}}),
}


@pytest.mark.parametrize("provider", NO_CREDIT)
def test_an_account_without_credit_ends_the_run_at_once(provider: str) -> None:
    status, error = NO_CREDIT[provider]
    with serve(lambda body, number: Reply(error, status)) as server:
        with pytest.raises(UserError, match="no credit left") as caught:
            engine_on(server, concurrency=2, retries=4).generate(PROMPTS, Sampling(max_tokens=20))
        assert len(server.bodies) <= 2
    assert "add credit" in caught.value.do


def test_a_quota_of_a_minute_is_waited_for() -> None:
    busy = {"error": {"message": "You exceeded your current quota. Please retry in 0.1s.", "code": 429}}
    with serve(lambda body, number: Reply(completion("fine")) if number else Reply(busy, 429)) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], Sampling(max_tokens=20))
    assert answer.texts == ("fine",)


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "Provider returned error", "code": 502}},
        {"error": "Provider returned error"},
        {"choices": [{"finish_reason": "error", "error": {"message": "Provider returned error", "code": 502}}]},
        {"error": {"message": "Provider returned error", "code": 429}, "choices": None},
    ],
    ids=["object", "text", "in the choice", "with no choices"],
)
def test_an_error_inside_a_good_response_is_an_error_with_its_message(error: Any) -> None:
    with serve(lambda body, number: Reply(error, whole=True)) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], Sampling(max_tokens=20))
        assert "Provider returned error" in answer.failure
        assert len(server.bodies) >= 2  # it may pass
        [scores] = engine_on(server).score([ScoreRequest(RATER, ("?",), STARS)])
    assert np.isnan(scores).all()


def test_a_parameter_that_is_refused_inside_a_good_response_is_left_out() -> None:
    respond = refusing(has("seed"), 200, {"error": {"message": "unknown parameter: seed", "code": 400}})
    with serve(respond) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], Sampling(max_tokens=20))
    assert answer.failure == ""
    assert "seed" not in server.bodies[-1]
