"""Answers arrive piece by piece, whole, or not at all."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from contract import PROMPTS, RATER, STARS
from loopback import Loopback, Reply, as_events, completion, pieces, serve

from deeper.engine import Prompt, Sampling, ScoreRequest
from deeper.engine.openai import calls, stream
from deeper.engine.openai.engine import OpenAIEngine
from deeper.engine.openai.stream import CutOff, read_completion
from deeper.errors import UserError

PLAIN = Sampling(max_tokens=20)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)


def engine_on(server: Loopback, **options: Any) -> OpenAIEngine:
    return OpenAIEngine("tiny", server.url, **{"timeout_seconds": 0.5, "retries": 2, **options})


def always(reply: Reply) -> Callable[[dict[str, Any], int], Reply]:
    return lambda body, number: reply


def position(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.5, "top_logprobs": [{"token": token, "logprob": -0.5}]}


WHOLE = completion("a short answer", "another", logprobs={"content": [position("3"), position(".5")]})
WHOLE["choices"][1]["finish_reason"] = "length"
WHOLE["choices"][0]["message"]["reasoning_content"] = "let me think"


def test_the_pieces_of_a_stream_are_the_answer_that_comes_whole() -> None:
    streamed = read_completion("".join(as_events(pieces(WHOLE, with_usage=True))).encode())
    assert [choice["message"] for choice in streamed["choices"]] == [
        {"role": "assistant", "content": "3.5", "reasoning_content": "let me think"},
        {"role": "assistant", "content": "3.5"},
    ]
    assert [choice["finish_reason"] for choice in streamed["choices"]] == ["stop", "length"]
    assert streamed["usage"] == WHOLE["usage"]
    for choice in streamed["choices"]:
        assert choice["logprobs"]["content"] == WHOLE["choices"][0]["logprobs"]["content"]
    assert read_completion(json.dumps(WHOLE).encode()) == WHOLE


@pytest.mark.parametrize("separator", ["\n\n", "\r\n\r\n", "\n: still here\n\n"])
def test_events_are_read_with_any_line_ends_and_comments(separator: str) -> None:
    text = "".join(as_events(pieces(completion("a\u2028b\x85c"), with_usage=True))).replace("\n\n", separator)
    assert read_completion(f": hello\n\n{text}".encode())["choices"][0]["message"]["content"] == "a\u2028b\x85c"


def test_a_stream_without_its_end_is_cut_off() -> None:
    events = as_events(pieces(completion("abc"), with_usage=False))
    assert read_completion("".join(events[:-1]).encode())["choices"][0]["message"]["content"] == "abc"
    with pytest.raises(CutOff):
        read_completion("".join(events[:-2]).encode())


def test_an_error_in_a_stream_stands_for_the_whole() -> None:
    events = as_events([*pieces(completion("abc"), with_usage=False)[:2], {"error": {"message": "out of memory"}}])
    assert read_completion("".join(events).encode()) == {"error": {"message": "out of memory"}}


@pytest.mark.parametrize(
    "body", ["", "data: {\n\n", "data: 3\n\ndata: [DONE]\n\n", 'data: {"choices": 3}\n\n',
             'data: {"choices": [[]]}\n\n', 'data: {"choices": [{"delta": "x"}]}\n\n', "<html>", "[" * 9999]
)  # fmt: skip
def test_what_is_no_completion_is_a_value_error(body: str) -> None:
    with pytest.raises(ValueError):
        read_completion(body.encode())


@pytest.mark.parametrize("whole", [False, True])
def test_answers_are_the_same_streamed_and_whole(whole: bool) -> None:
    with serve(lambda body, number: Reply(completion("one", "two", "three", tokens=12), whole=whole)) as server:
        engine = engine_on(server)
        [answer] = engine.generate(PROMPTS[:1], Sampling(max_tokens=20, temperature=1.0, n=3))
    assert (answer.texts, answer.tokens) == (("one", "two", "three"), (3, 3, 5))
    assert (engine.usage.tokens_prompt, engine.usage.tokens_cached, engine.usage.tokens_generated) == (10, 4, 12)
    [body] = server.bodies
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize("whole", [False, True])
def test_scores_are_the_same_streamed_and_whole(whole: bool) -> None:
    shown = {"content": [{"token": "4", "logprob": -0.1, "top_logprobs": [{"token": "4", "logprob": -0.1}]}]}
    with serve(always(Reply(completion("4", logprobs=shown), whole=whole))) as server:
        [scores] = engine_on(server).score([ScoreRequest(RATER, ("?",), STARS)])
    assert scores[0, 3] == pytest.approx(-0.1)


def test_refused_parts_of_streaming_are_left_out_for_the_rest_of_the_run(caplog: pytest.LogCaptureFixture) -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        for name in ("stream_options", "stream"):
            if body.get(name):
                return Reply({"error": {"message": f"unknown parameter {name}"}}, 400)
        return Reply(completion("fine"))

    with serve(respond) as server:
        engine = engine_on(server)
        assert [answer.texts for answer in engine.generate(PROMPTS[:1], PLAIN)] == [("fine",)]
        engine.generate(PROMPTS[:1], PLAIN)
    assert [("stream" in body, "stream_options" in body) for body in server.bodies] == [
        (True, True), (True, False), (False, False), (False, False),
    ]  # fmt: skip
    assert caplog.text.count("refuses how answers are streamed") == 1


def test_a_refusal_of_something_else_leaves_streaming_on() -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        bad = "bad" in body["messages"][1]["content"]
        return Reply({"error": {"message": f"the prompt is too long: {body}"}}, 400) if bad else Reply(completion("a"))

    with serve(respond) as server:
        engine = engine_on(server)
        assert "too long" in engine.generate([Prompt("s", "bad")], PLAIN)[0].failure
        engine.generate([Prompt("s", "good")], PLAIN)
    assert server.bodies[-1]["stream"] is True


def test_an_answer_may_take_longer_than_the_timeout_while_it_flows() -> None:
    with serve(always(Reply(completion("abcdef"), piece_seconds=0.2))) as server:
        [answer] = engine_on(server, timeout_seconds=1.0).generate(PROMPTS[:1], PLAIN)
    assert (answer.texts, len(server.bodies), server.dropped) == (("abcdef",), 1, 0)


@pytest.mark.parametrize("whole", [False, True])
def test_requests_wait_in_the_servers_queue_for_longer_than_the_timeout(whole: bool) -> None:
    reply = Reply(completion("fine"), delay_seconds=0.2, whole=whole)
    with serve(always(reply), slots=1) as server:
        engine = engine_on(server, timeout_seconds=1.0)
        answers = engine.generate([Prompt("s", str(number)) for number in range(8)], PLAIN)
    assert [answer.texts for answer in answers] == [("fine",)] * 8
    assert (len(server.bodies), server.dropped, engine.usage.calls) == (8, 0, 8)


def test_a_stream_that_stops_is_asked_for_again() -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        return Reply(completion("ab"), piece_seconds=0.0 if number else 1.0)

    with serve(respond) as server:
        [answer] = engine_on(server, timeout_seconds=0.3).generate(PROMPTS[:1], PLAIN)
    assert (answer.texts, len(server.bodies)) == (("ab",), 2)


def test_one_request_without_an_answer_fails_while_others_are_answered() -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        return Reply(completion("x"), delay_seconds=1.0 if body["messages"][1]["content"] == "0" else 0.05)

    with serve(respond) as server:
        prompts = [Prompt("s", str(number)) for number in range(12)]
        first, *others = engine_on(server, timeout_seconds=0.3, retries=0).generate(prompts, PLAIN)
    assert first.failure == "no answer within 0.3 s"
    assert {answer.texts for answer in others} == {("x",)}


def test_a_dead_server_ends_the_run_and_is_told_of_before(caplog: pytest.LogCaptureFixture) -> None:
    with serve(always(Reply(completion("late"), delay_seconds=3))) as server:
        engine = engine_on(server, timeout_seconds=0.2, retries=1)
        with pytest.raises(UserError, match=r"no answer within 0.2 s, in 2 tries") as caught:
            engine.generate(PROMPTS, PLAIN)
    assert server.url in str(caught.value) and "timeout_seconds" in caught.value.do
    assert caplog.text.count("no sign of an answer for 0.2 s") == 1


def test_a_broken_stream_is_asked_for_again() -> None:
    with serve(lambda body, number: Reply(completion("fine"), cut=number == 0)) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], PLAIN)
        assert (answer.texts, len(server.bodies)) == (("fine",), 2)
    with serve(always(Reply(completion("fine"), cut=True))) as server:
        assert "the connection was cut" in engine_on(server, retries=0).generate(PROMPTS[:1], PLAIN)[0].failure


def test_an_answer_that_does_not_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LONGEST_ANSWER_BYTES", 2_000)
    with serve(always(Reply(completion("na " * 1_000)))) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], PLAIN)
    assert (answer.failure, len(server.bodies)) == ("the answer does not end", 1)


def test_a_server_on_this_machine_gets_a_connection_for_each_request() -> None:
    """A request on a connection that the server has just closed without a word would be lost."""
    with serve(always(Reply(completion("fine")))) as server:
        engine_on(server, concurrency=1).generate([Prompt("s", str(number)) for number in range(5)], PLAIN)
    assert len(server.ports) == 5


def test_the_number_in_flight_falls_when_the_server_wants_fewer() -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        return Reply(completion("x"), delay_seconds=0.02) if number > 3 else Reply({"error": {"message": "slow"}}, 429)

    with serve(respond) as server:
        engine = engine_on(server, retries=3)
        engine.generate([Prompt("s", str(number)) for number in range(4)], PLAIN)
        assert engine._server.in_flight.allowed == 2, "four refusals at once halve it once"


def test_more_requests_are_in_flight_while_that_makes_the_server_faster() -> None:
    reply = Reply(completion("x"), delay_seconds=0.1)
    with serve(always(reply), slots=16) as server:
        engine_on(server, concurrency=64).generate([Prompt("s", str(number)) for number in range(150)], PLAIN)
    assert server.most_at_once >= 16


def test_more_fields_of_a_request_are_sent_and_are_part_of_the_fingerprint() -> None:
    with serve(always(Reply(completion("fine")))) as server:
        engine = engine_on(server, extra={"chat_template_kwargs": {"enable_thinking": False}, "temperature": 0.3})
        engine.generate(PROMPTS[:1], PLAIN)
        [body] = server.bodies
        assert (body["chat_template_kwargs"], body["temperature"]) == ({"enable_thinking": False}, 0.3)
        assert "enable_thinking" in engine.fingerprint
        assert engine.fingerprint != engine_on(server).fingerprint


def test_calls_are_counted_as_answers_arrive() -> None:
    counts: list[int] = []

    def respond(body: dict[str, Any], number: int) -> Reply:
        counts.append(engine.usage.calls)
        return Reply(completion("x"))

    with serve(respond) as server:
        engine = engine_on(server, concurrency=1)
        engine.generate([Prompt("s", str(number)) for number in range(4)], PLAIN)
    np.testing.assert_array_equal(counts, [0, 1, 2, 3])
