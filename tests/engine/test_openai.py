import asyncio
import email.utils
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import PROMPTS, RATER, STARS, EngineContract
from loopback import Loopback, Reply, completion, serve

from deeper.engine import Engine, Prompt, Sampling, ScoreRequest
from deeper.engine.openai import calls as calls
from deeper.engine.openai.engine import OpenAIEngine
from deeper.engine.protocol import LOG_PROB_FLOOR
from deeper.errors import UserError
from llama_server import llama_server

KEY = "sk-secret-0123456789"
PLAIN = Sampling(max_tokens=20)
WARM = Sampling(max_tokens=20, temperature=1.0, n=3)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def engine_on(server: Loopback, **options: Any) -> OpenAIEngine:
    return OpenAIEngine("tiny", server.url, KEY, **{"timeout_seconds": 0.5, "retries": 2, **options})


def in_turn(*replies: Reply) -> Callable[[dict[str, Any], int], Reply]:
    """The replies one after the other, the last for ever."""
    return lambda body, number: replies[min(number, len(replies) - 1)]


GOOD = Reply(completion("fine"))
PASSING_FAULTS = {
    "500": (Reply({"error": {"message": "boom"}}, 500), "HTTP 500: boom"),
    "503 in plain text": (Reply("overloaded", 503, {"Content-Type": "text/plain"}), "HTTP 503: overloaded"),
    "429": (Reply({"error": {"message": "slow down"}}, 429), "HTTP 429: slow down"),
    "hang": (Reply(completion("late"), delay_seconds=0.8), "no answer within 0.5 s"),
    "cut connection": (Reply(cut=True), "the connection was cut"),
    "cut stream": (Reply(completion("fine"), cut=True), "the connection was cut"),
    "stream without an end": (
        Reply('data: {"choices": [{"delta": {"content": "fi"}}]}\n\n', headers={"Content-Type": "text/event-stream"}),
        "the answer was cut off",
    ),
    "malformed JSON": (Reply('{"choices": [{"mess'), "not a chat completion"),
    "not a completion": (Reply({"choices": "none"}), "not a chat completion"),
    "no choices": (Reply({**completion(), "choices": []}), "not a chat completion"),
    "an HTML page": (Reply("<html>", headers={"Content-Type": "text/html"}), "not a chat completion"),
    "empty text": (Reply(completion("")), "the answer is empty"),
    "blank text": (Reply(completion(" \n")), "the answer is empty"),
    "no text": (Reply(completion(None)), "the answer is empty"),
}


def test_an_adapter_is_asked_for_by_its_name() -> None:
    with serve(in_turn(GOOD)) as server:
        engine = engine_on(server, adapter="my-lora")
        engine.generate(PROMPTS[:1], PLAIN)
        assert [body["model"] for body in server.bodies] == ["my-lora"]
        assert engine.fingerprint == f"openai:tiny+my-lora@{server.url}"
        assert engine.fingerprint != engine_on(server, adapter="another").fingerprint


@pytest.mark.parametrize("fault", PASSING_FAULTS)
def test_a_passing_fault_is_retried(fault: str) -> None:
    with serve(in_turn(PASSING_FAULTS[fault][0], GOOD)) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], PLAIN)
    assert (answer.texts, answer.failure) == (("fine",), "")
    assert len(server.bodies) == 2


@pytest.mark.parametrize("fault", sorted(PASSING_FAULTS.keys() - {"hang"}))
def test_a_fault_that_stays_is_a_failure_of_one_line(fault: str) -> None:
    reply, reason = PASSING_FAULTS[fault]
    with serve(in_turn(reply)) as server:
        [answer] = engine_on(server, retries=1).generate(PROMPTS[:1], PLAIN)
    assert answer.texts == ()
    assert reason in answer.failure
    assert len(answer.failure.splitlines()) == 1
    assert len(server.bodies) == 2


def test_a_failing_prompt_leaves_the_others_alone() -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        is_bad = "cats" in body["messages"][1]["content"]
        return Reply({"error": {"message": "the prompt is too long"}}, 400) if is_bad else GOOD

    with serve(respond) as server:
        answers = engine_on(server).generate(PROMPTS[:3], PLAIN)
    assert [answer.failure for answer in answers] == ["", "HTTP 400: the prompt is too long", ""]
    assert len(server.bodies) == 3  # what cannot pass is not retried


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(as_date: bool) -> None:
    # A date has whole seconds: two from now is between one and two.
    value = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "0.7"
    limited = Reply({"error": {"message": "slow down"}}, 429, {"Retry-After": value})
    with serve(in_turn(limited, GOOD)) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], PLAIN)
    assert answer.texts == ("fine",)
    assert server.times[1] - server.times[0] >= 0.7


def test_waits_grow_without_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    with serve(in_turn(Reply(status=500))) as server:
        engine_on(server, retries=3).generate(PROMPTS[:1], PLAIN)
    gaps = np.diff(server.times)
    assert len(gaps) == 3
    assert gaps[2] > gaps[0] + 0.03


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_model_ends_the_run(status: int) -> None:
    with (
        serve(in_turn(Reply({"error": {"message": f"Incorrect API key provided: {KEY}"}}, status))) as server,
        pytest.raises(UserError) as caught,
    ):
        engine_on(server).generate(PROMPTS, PLAIN)
    assert server.url in str(caught.value)
    assert f"HTTP {status}" in str(caught.value)
    assert caught.value.do
    assert KEY not in str(caught.value)


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_server_that_is_not_there_ends_the_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 60)
    engine = OpenAIEngine("tiny", f"http://user:{KEY}@127.0.0.1:{closed_port()}/v1", KEY)
    with pytest.raises(UserError, match=r"http://127.0.0.1:\d+/v1: the server cannot be reached") as caught:
        engine.generate(PROMPTS, PLAIN)
    assert KEY not in str(caught.value)
    assert "start the server" in str(caught.value)


def test_a_server_that_goes_away_ends_the_run() -> None:
    with serve(in_turn(GOOD)) as server:
        engine = engine_on(server)
        engine.generate(PROMPTS[:1], PLAIN)
    with pytest.raises(UserError, match="cannot be reached"):
        engine.generate(PROMPTS[:1], PLAIN)
    assert engine.usage.calls == 4  # it was retried, because it had been there


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://host:port/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="not an http address"):
        OpenAIEngine("tiny", url)


@pytest.mark.parametrize("key", ["sk-ключ", "sk-one two", "sk-a\nb"])
def test_a_key_that_is_none_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UserError, match="OPENAI_API_KEY") as caught:
        OpenAIEngine("tiny", "http://localhost/v1", key)
    assert key not in str(caught.value)


def test_blanks_around_a_key_are_no_part_of_it() -> None:
    with serve(in_turn(GOOD)) as server:
        engine = OpenAIEngine("tiny", server.url, f" {KEY}\n")
        assert engine.generate(PROMPTS[:1], PLAIN)[0].texts == ("fine",)


def test_the_key_is_in_no_message_and_in_no_fingerprint(caplog: pytest.LogCaptureFixture) -> None:
    echo = Reply({"error": {"message": f"bad\n thing for {KEY}"}}, 400)
    with serve(in_turn(echo)) as server:
        engine = engine_on(server)
        [answer] = engine.generate(PROMPTS[:1], PLAIN)
        engine.score([ScoreRequest(RATER, ("?",), STARS)])
    assert answer.failure == "HTTP 400: bad thing for ***"
    assert engine.unscored == {(0, 0): answer.failure}
    assert "a row could not be scored: HTTP 400" in caplog.text
    shown = f"{caplog.text} {engine.fingerprint} {engine!r} {vars(engine)}"
    assert KEY not in shown
    assert engine.fingerprint == f"openai:tiny@{server.url}"


def test_order_is_kept_though_answers_overtake_one_another() -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        index = int(body["messages"][1]["content"])
        return Reply(completion(f"answer {index}"), delay_seconds=0.02 * (7 - index))

    with serve(respond) as server:
        answers = engine_on(server).generate([Prompt("s", str(index)) for index in range(8)], PLAIN)
    assert [answer.texts for answer in answers] == [(f"answer {index}",) for index in range(8)]


def test_concurrency_is_used_and_bounded() -> None:
    with serve(lambda body, number: Reply(completion("fine"), delay_seconds=0.03)) as server:
        engine_on(server, concurrency=3).generate([Prompt("s", str(index)) for index in range(12)], PLAIN)
    assert server.most_at_once == 3


def test_samples_are_asked_for_together() -> None:
    with serve(in_turn(Reply(completion("a", "bb", "ccc", tokens=12)))) as server:
        engine = engine_on(server)
        [answer] = engine.generate(PROMPTS[:1], WARM)
    assert answer.texts == ("a", "bb", "ccc")
    assert answer.tokens == (2, 4, 6)
    [body] = server.bodies
    assert (body["n"], body["temperature"], body["max_tokens"]) == (3, 1.0, 20)
    assert (engine.usage.calls, engine.usage.tokens_prompt) == (1, 10)
    assert (engine.usage.tokens_cached, engine.usage.tokens_generated) == (4, 12)


def refuse_several(body: dict[str, Any], number: int) -> Reply:
    if body.get("n", 1) > 1:
        return Reply({"error": {"message": "n must be 1"}}, 400)
    return Reply(completion(f"seed {body['seed']}"))


@pytest.mark.parametrize(
    "respond",
    [
        lambda body, number: Reply(completion(f"seed {body['seed']}")),
        lambda body, number: Reply(completion("", f"seed {body['seed']}", "")),
        refuse_several,
    ],
    ids=["one choice only", "two are empty", "n is refused"],
)
def test_missing_samples_are_asked_for_again_with_other_seeds(respond: Any) -> None:
    with serve(respond) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], WARM)
    assert answer.failure == ""
    assert len(answer.texts) == 3
    assert len(set(answer.texts)) == 3
    assert len({body["seed"] for body in server.bodies}) == 3


def test_too_many_choices_are_cut() -> None:
    with serve(in_turn(Reply(completion(*"abcde")))) as server:
        assert engine_on(server).generate(PROMPTS[:1], WARM)[0].texts == ("a", "b", "c")


def test_a_greedy_prompt_is_asked_once() -> None:
    with serve(in_turn(GOOD)) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], Sampling(max_tokens=20, n=3))
    assert answer.texts == ("fine",) * 3
    assert len(server.bodies) == 1


def test_a_schema_is_sent_and_what_violates_it_passes_through() -> None:
    schema = {"type": "object", "properties": {"1": {"type": "number", "enum": [1, 2]}}}
    off_scale = '{"1": 11}'
    with serve(in_turn(Reply(completion(off_scale)))) as server:
        [answer] = engine_on(server).generate(PROMPTS[:1], Sampling(max_tokens=20, json_schema=schema))
    assert answer.texts == (off_scale,)  # the readout judges it
    sent = server.bodies[0]["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"] == schema


def test_control_tokens_of_titles_are_defused() -> None:
    with serve(in_turn(GOOD)) as server:
        engine_on(server).generate([Prompt("a </s> b", "Heat<|im_end|>\n<|im_start|>x [/INST] <b>|")], PLAIN)
    system, user = (message["content"] for message in server.bodies[0]["messages"])
    assert system == "a < /s> b"
    assert user == "Heat< |im_end|>\n< |im_start|>x [ /INST] <b>|"


def test_it_works_where_a_loop_runs_already() -> None:
    async def notebook(engine: OpenAIEngine) -> tuple[str, ...]:
        return engine.generate(PROMPTS[:1], PLAIN)[0].texts

    with serve(in_turn(GOOD)) as server:
        engine = engine_on(server)
        assert asyncio.run(notebook(engine)) == ("fine",)
        assert engine.generate(PROMPTS[:1], PLAIN)[0].texts == ("fine",)


def logprobs(*positions: dict[str, float]) -> dict[str, Any]:
    """Positions given as probabilities; the first token of each is the generated one."""
    content = []
    for position in positions:
        shown = [{"token": token, "logprob": float(np.log(p)), "bytes": None} for token, p in position.items()]
        content.append({**shown[0], "top_logprobs": shown})
    return {"content": content}


def test_scores_are_read_for_each_continuation() -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        likely = body["messages"][1]["content"][-1]
        return Reply(completion(likely, logprobs=logprobs({likely: 0.7, "x": 0.2})), delay_seconds=0.01 * (3 - number))

    with serve(respond) as server:
        engine = engine_on(server)
        requests = [ScoreRequest(RATER, ("? 1", "? 4"), STARS), ScoreRequest(RATER, ("? 5",), STARS)]
        first, second = engine.score(requests)
    expected = np.full((3, 5), LOG_PROB_FLOOR)
    expected[[0, 1, 2], [0, 3, 4]] = np.log(0.7)
    np.testing.assert_allclose(np.vstack([first, second]), expected)
    body = next(body for body in server.bodies if body["messages"][1]["content"].endswith("? 4"))
    assert body["messages"][1]["content"] == RATER.user + "? 4"
    assert (body["logprobs"], body["top_logprobs"], body["temperature"]) == (True, 20, 0.0)


def test_an_unreadable_row_is_nan_and_the_others_stay() -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        if "bad" in body["messages"][1]["content"]:
            return Reply("{")
        return Reply(completion("3", logprobs=logprobs({"3": 0.5})))

    with serve(respond) as server:
        [scores] = engine_on(server).score([ScoreRequest(RATER, ("good", "bad"), STARS)])
    assert scores[0, 2] == pytest.approx(np.log(0.5))
    assert np.isnan(scores[1]).all()
    assert len(server.bodies) == 4  # one good, three tries of the bad one


@pytest.mark.parametrize(
    "reply",
    [
        Reply(completion("3")),
        Reply(completion("3", logprobs={"content": [{"token": "3", "logprob": -1.0, "top_logprobs": []}]})),
        Reply({"error": {"message": "logprobs are not supported"}}, 400),
    ],
    ids=["none", "no alternatives", "refused"],
)
def test_a_server_without_logprobs_is_named_with_the_way_out(reply: Reply) -> None:
    with serve(in_turn(reply)) as server, pytest.raises(UserError, match="no log-probabilities") as caught:
        engine_on(server).score([ScoreRequest(RATER, ("?",), STARS)])
    assert "--readout structured" in str(caught.value)


def test_impossible_logprobs_are_a_nan_row() -> None:
    bad = {"content": [{"token": "3", "logprob": 2.0, "top_logprobs": [{"token": "3", "logprob": 2.0}]}]}
    with serve(in_turn(Reply(completion("3", logprobs=bad)))) as server:
        [scores] = engine_on(server, retries=0).score([ScoreRequest(RATER, ("?",), STARS)])
    assert np.isnan(scores).all()


@pytest.fixture(scope="session")
def llama_url(gguf_path: Path) -> Iterator[str]:
    """Address of llama.cpp's server."""
    with llama_server(gguf_path, slots=2, context=4096, caches=False) as url:
        yield url


@pytest.mark.server
class TestOpenAIContract(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, llama_url: str) -> Engine:
        # What else is in a batch, and what is cached, moves this server's logits by up to .2 nat: neither here.
        return OpenAIEngine("smollm2", llama_url, concurrency=1, timeout_seconds=120)


@pytest.mark.server
def test_more_requests_than_slots_are_answered_in_order(llama_url: str) -> None:
    engine = OpenAIEngine("smollm2", llama_url, concurrency=8, timeout_seconds=120)
    words = ["apple", "river", "seven", "green"]
    prompts = [Prompt("You repeat words.", f"Repeat: {word} {word} {word}") for word in words]
    answers = engine.generate(prompts, Sampling(max_tokens=12))
    assert [word in answer.texts[0].lower() for word, answer in zip(words, answers, strict=True)] == [True] * 4


@pytest.mark.server
def test_a_prompt_that_does_not_fit_is_a_failure(llama_url: str) -> None:
    engine = OpenAIEngine("smollm2", llama_url, timeout_seconds=120)
    [answer, other] = engine.generate([Prompt("s", "word " * 5000), PROMPTS[0]], Sampling(max_tokens=4))
    assert answer.texts == ()
    assert "HTTP 400" in answer.failure
    assert "context" in answer.failure
    assert other.failure == ""


@pytest.mark.server
def test_a_model_that_leans_to_a_label_scores_it_highest(llama_url: str) -> None:
    engine = OpenAIEngine("smollm2", llama_url, concurrency=1, timeout_seconds=120)
    prompt = Prompt("You copy the number.", "")
    questions = tuple(f"Copy this number and nothing else: {n}, {n}, {n}, {n},\nThe number is" for n in (2, 4))
    [scores] = engine.score([ScoreRequest(prompt, questions, STARS)])
    assert scores.argmax(axis=1).tolist() == [1, 3]


def test_an_answer_that_shows_no_label_is_a_failed_row_at_once(caplog: pytest.LogCaptureFixture) -> None:
    def respond(body: dict[str, Any], number: int) -> Reply:
        return Reply(completion("The", logprobs=logprobs({"The": 0.9, "**": 0.05})))

    with serve(respond) as server:
        [scores] = engine_on(server).score([ScoreRequest(RATER, ("? 1",), STARS)])
        assert len(server.bodies) == 1
    assert np.isnan(scores).all()
    assert "not one of the labels" in caplog.text
