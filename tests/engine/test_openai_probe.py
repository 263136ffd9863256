"""`deeper doctor --engine openai:NAME` asks a server what it can do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply, completion, serve
from test_openai import llama_url as llama_url  # a fixture

from deeper.cli.main import _run
from deeper.commands.doctor import examine_engine
from deeper.engine import ServerSettings

Body = dict[str, Any]
SERVER = ServerSettings()
KEY = "sk-secret-0123456789"
LORA = {"id": "mine", "parent": "tiny", "root": "/loras/mine"}
MODELS = Reply({"data": [{"id": "tiny"}, LORA, {"id": "tiny-large"}]})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def able(body: Body, number: int) -> Reply:
    """A server that can do everything, and gives the same samples for the same seed."""
    if body.get("logprobs"):
        shown = [{"token": f"t{i}", "logprob": -1.0} for i in range(body["top_logprobs"])]
        return Reply(completion("yes", logprobs={"content": [{**shown[0], "top_logprobs": shown}]}))
    if "response_format" in body:
        return Reply(completion('{"colour": "mauve"}'))
    return Reply(completion(*[f"Blue {body['seed']} {sample}" for sample in range(body.get("n", 1))]))


def unable(body: Body, number: int) -> Reply:
    """A server that refuses what can be refused, and obeys nothing."""
    refused = {
        "seed": "unknown field seed",
        "n": "'n' : number must be at most 1",
        "response_format": "response_format is not supported",
        "max_tokens": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "logprobs": "logprobs is not supported",
    }
    for name, message in refused.items():
        if name in body:
            return Reply({"error": {"message": message}}, 400)
    if len(body["messages"]) > 1:
        return Reply({"error": {"message": "System role not supported"}}, 400)
    return Reply(completion(f"Blue {number}"))


def found(monkeypatch: pytest.MonkeyPatch, server: Loopback, name: str = "tiny") -> dict[str, tuple[str, str]]:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    return {check.name: (check.state, check.finding) for check in examine_engine(f"openai:{name}", "", SERVER)}


def test_what_an_able_server_can_do_is_all_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(able, models=MODELS) as server:
        checks = found(monkeypatch, server)
        assert len(server.bodies) <= 6
    assert {state for state, _ in checks.values()} == {"ok"}
    for setting in (
        server.url,
        "OPENAI_API_KEY (set)",
        "64 requests",
        "timeout 300 s",
        "4 retries",
        "extra fields: none",
    ):
        assert setting in checks["settings"][1]
    said = {name: text for name, (_, text) in checks.items()}
    assert said["model"] == "tiny is listed" and said["server"] == "answers; models listed: 3"
    assert "“Blue" in said["answer"] and " s: " in said["answer"]
    assert said["system message"] == "accepted"
    assert said["samples"] == "several in one request"
    assert said["seed"] == "the same seed gave the same samples"
    assert "20 alternatives" in said["log-probabilities"]
    assert said["JSON"] == "a schema is obeyed"
    assert said["LoRA adapters"].startswith("mine;")
    assert KEY not in str(checks)


def test_what_a_server_cannot_do_is_told_with_what_is_done_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(unable) as server:
        checks = found(monkeypatch, server)
    assert "broken" not in {state for state, _ in checks.values()}
    said = {name: text for name, (state, text) in checks.items() if state == "missing"}
    assert "begins the user message" in said["system message"]
    assert "one by one" in said["samples"]
    assert "cannot be repeated" in said["seed"]
    assert "max_tokens" in said["parameters"]
    assert "readout is structured" in said["log-probabilities"]
    assert "plain text is accepted, but the answer is no JSON" in said["JSON"]
    assert said["LoRA adapters"] == "none listed"


@pytest.mark.parametrize(
    ("change", "name", "text"),
    [
        (lambda body: completion("yes", logprobs=None) if body.get("logprobs") else None, "log-probabilities", "none;"),
        (lambda body: completion('{"colour": "blue"}') if "response_format" in body else None, "JSON", "not obeyed"),
        (lambda body: completion("one") if "n" in body else None, "samples", "one in each request"),
        (
            lambda body: (
                {"choices": [{"message": {"reasoning_content": "Hm."}, "finish_reason": "length"}]}
                if body["temperature"] == 0 and "logprobs" not in body
                else None
            ),
            "answer",
            "reasoning first",
        ),
    ],
    ids=["no log-probabilities", "schema ignored", "n ignored", "all reasoning"],
)
def test_what_a_server_ignores_in_silence_is_seen(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Body], Any], name: str, text: str
) -> None:
    def respond(body: Body, number: int) -> Reply:
        changed = change(body)
        return Reply(changed, whole=True) if changed else able(body, number)

    with serve(respond, models=MODELS) as server:
        state, said = found(monkeypatch, server)[name]
    assert state == "missing"
    assert text in said


def test_seeds_that_change_nothing_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(body: Body, number: int) -> Reply:
        return Reply(completion(*[f"Blue {number} {i}" for i in range(2)])) if "n" in body else able(body, number)

    with serve(respond, models=MODELS) as server:
        assert found(monkeypatch, server)["seed"] == ("missing", "accepted, but the same seed gave other samples")


def test_a_model_that_is_not_there_is_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda body, number: Reply({"error": {"message": "no such model"}}, 404), models=MODELS) as server:
        checks = found(monkeypatch, server, "tinny")
    assert checks["model"][0] == "broken"
    assert "did you mean tiny?" in checks["model"][1]
    assert "tiny, mine, tiny-large" in checks["model"][1]
    assert checks["answer"][0] == "broken" and "no such model" in checks["answer"][1]


def test_a_tag_that_the_server_adds_is_no_other_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(able, models=Reply({"data": [{"id": "tiny:latest"}]})) as server:
        assert found(monkeypatch, server)["model"][0] == "ok"


@pytest.mark.parametrize("models", [Reply("<html>"), Reply({"data": None}), Reply([{"id": 3}, "x"]), Reply({}, 500)])
def test_a_server_without_a_list_of_models_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch, models: Reply
) -> None:
    with serve(able, models=models) as server:
        checks = found(monkeypatch, server)
    assert checks["server"] == ("ok", "answers; models listed: none")
    assert checks["JSON"] == ("ok", "a schema is obeyed")


def test_a_server_that_is_not_there_or_refuses_the_key_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(able, models=Reply({"error": {"message": f"wrong key {KEY}"}}, 401)) as server:
        refused = found(monkeypatch, server)["server"]
    gone = found(monkeypatch, server)["server"]
    assert refused[0] == gone[0] == "broken"
    assert "refuses the key" in refused[1] and KEY not in refused[1]
    assert "cannot be reached" in gone[1] and "start the server" in gone[1]


@pytest.mark.parametrize(("respond", "code"), [(able, 0), (lambda body, number: Reply({}, 404), 2)])
def test_the_command_prints_one_table_and_its_exit_code_tells(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], respond: Any, code: int
) -> None:
    with serve(respond, models=MODELS) as server:
        monkeypatch.setenv("COLUMNS", "200")
        words = ["doctor", "--engine", "openai:tiny", "--server", f"url={server.url}"]
        monkeypatch.setattr("sys.argv", ["deeper", *words])
        try:
            ended = _run()
        except SystemExit as stop:
            ended = stop.code
    out, err = capfd.readouterr()
    assert ended == code
    assert err == ""
    assert "settings" in out and ("a schema is obeyed" in out) == (code == 0)
    assert "Python" not in out  # the machine is not examined


def test_another_engine_runs_the_self_test(tmp_path: Path) -> None:
    [good] = examine_engine("scripted", "", SERVER)
    assert good.state == "ok" and "passed its self-test" in good.finding
    [bad] = examine_engine(f"embedded:{tmp_path / 'none.gguf'}", "", SERVER)
    assert bad.state == "broken" and "none.gguf" in bad.finding
    assert json.dumps(bad.finding).count("\\n") == 0


@pytest.mark.server
def test_what_llama_cpp_can_do_is_found(monkeypatch: pytest.MonkeyPatch, llama_url: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", llama_url)
    checks = {check.name: check for check in examine_engine("openai:smollm2", "", SERVER)}
    assert "broken" not in {check.state for check in checks.values()}
    for name in ("answer", "system message", "seed", "log-probabilities", "JSON"):
        assert checks[name].state == "ok", checks[name].finding
    assert "20 alternatives" in checks["log-probabilities"].finding
