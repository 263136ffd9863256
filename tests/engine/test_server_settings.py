"""How a server is called: text, tables and Python alike; what cannot be used is refused before anything is sent."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from loopback import Reply, completion, serve
from pydantic import ValidationError

from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.commands.execution.engines import make_engines
from deeper.commands.execution.shared_settings import servers_of
from deeper.commands.learn.settings import LearnSettings, to_evaluate, to_reward, to_sample
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import Prompt, Sampling, ServerSettings
from deeper.engine.openai.connection import ENVIRONMENT, PROXIES, Connection
from deeper.engine.registry import make_engine
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import resolve
from deeper.tracker import PersonaTracker

THINKING = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 20}
SOCKS = "socks5://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENVIRONMENT, "NO_PROXY", "no_proxy", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "text",
    [
        'url=http://box:1/v1, timeout_seconds=600,concurrency=8,extra={"top_k": 20, '
        '"chat_template_kwargs": {"enable_thinking": false}}',
        {"url": "http://box:1/v1", "timeout_seconds": 600, "concurrency": 8, "extra": THINKING},
    ],
)
def test_text_and_tables_say_the_same(text: Any) -> None:
    server = ServerSettings.model_validate(text)
    assert (server.url, server.timeout_seconds, server.concurrency) == ("http://box:1/v1", 600.0, 8)
    assert server.fields == THINKING
    assert server == ServerSettings(url="http://box:1/v1", timeout_seconds=600, concurrency=8, extra=server.extra)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("http://box:1/v1", "is not NAME=VALUE; choose from url, key_variable"),
        ("timeout=5", "timeout"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds"),
        ({"concurrency": 0}, "concurrency"),
        ({"retries": -1}, "retries"),
        ({"url": "http://me:secret@box/v1"}, "holds no password"),
        ({"key_variable": "sk-secret"}, "key_variable"),
        ({"extra": "[1]"}, "not a JSON object"),
        ({"extra": "{"}, "not a JSON object"),
        ({"extra": {"day": {1, 2}}}, "not a JSON object"),
    ],
)
def test_bad_values_are_named_and_no_secret_is_shown(given: Any, message: str) -> None:
    with pytest.raises(UserError, match=r"policy_server") as caught:
        resolve(Settings, None, {"policy_server": given})
    assert message in str(caught.value)
    with pytest.raises(ValidationError) as raw:
        ServerSettings.model_validate(given)
    assert "secret" not in str(caught.value) + str(raw.value)


def test_a_file_holds_the_servers_and_is_read_back(tmp_path: Path) -> None:
    settings = Settings(policy_server={"extra": THINKING, "retries": 0}, predictor_server="url=http://b/v1")  # type: ignore[arg-type]
    config = tmp_path / "mine.toml"
    config.write_text(settings.to_toml(comments=True), "utf-8")
    assert resolve(Settings, config, {}) == settings
    config.write_text('[policy_server]\nurl = "http://a/v1"\nextra = {top_k = 20}\n', "utf-8")
    assert resolve(Settings, config, {}).policy_server == ServerSettings(url="http://a/v1", extra='{"top_k": 20}')
    assert resolve(Settings, config, {"policy_server": "retries=1"}).policy_server == ServerSettings(retries=1)


def test_the_explained_file_names_every_key_of_a_server() -> None:
    text = Settings().to_toml(comments=True)
    assert tomllib.loads(text)["policy_server"].keys() == ServerSettings.model_fields.keys()
    comment = next(line for line in text.splitlines() if line.startswith("# Server of a policy engine"))
    assert all(f" {name}: " in comment for name in ServerSettings.model_fields)


def test_the_predictors_server_is_the_policys_unless_it_is_given() -> None:
    slow, other = ServerSettings(timeout_seconds=900), ServerSettings(url="http://b/v1")
    assert servers_of(Settings(policy_server=slow)) == {"policy": slow, "predictor": slow}
    assert servers_of(SampleSettings(policy_server=slow, predictor_server=other))["predictor"] == other


def test_engines_get_the_server_of_their_role(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(engine_choice, "make_engine", lambda *given: made.append(given[3]) or ScriptedEngine())
    first, second = ServerSettings(url="http://a/v1"), ServerSettings(url="http://b/v1")
    servers = {"policy": first, "predictor": second}
    two = make_engines({"policy": ("openai:m", ""), "predictor": ("openai:m", "")}, load_prompts(), "auto", servers)
    assert made == [first, second] and two["policy"] is not two["predictor"]
    same = {"policy": first, "predictor": first}
    one = make_engines({"policy": ("openai:m", ""), "predictor": ("openai:m", "")}, load_prompts(), "auto", same)
    assert one["policy"] is one["predictor"]
    local = make_engines({"policy": ("embedded", ""), "predictor": ("embedded", "")}, load_prompts(), "auto", servers)
    assert local["policy"] is local["predictor"]


def test_every_step_of_learning_has_the_same_servers() -> None:
    server = ServerSettings(timeout_seconds=900)
    settings = LearnSettings(policy_server=server)
    assert to_evaluate(settings, "").policy_server == to_sample(settings, 1, "").policy_server == server
    assert to_reward(settings).predictor_server == server


def test_a_tracker_calls_its_server() -> None:
    with serve(lambda body, number: Reply(completion("They like calm films."))) as server:
        tracker = PersonaTracker(
            "movielens_small",
            policy_engine="openai:m",
            predictor_engine="scripted",
            policy_server={"url": server.url, "extra": {"top_k": 7}},
        )
        tracker.observe("u", [{"title": f"Film {i}", "rating": 4, "time": i} for i in range(10)])
    assert {body["top_k"] for body in server.bodies} == {7}


def test_a_run_goes_on_with_another_timeout_but_not_with_another_server(tmp_path: Path) -> None:
    settings = Settings(policy_server=ServerSettings(timeout_seconds=60))
    slower = Settings(policy_server=ServerSettings(timeout_seconds=900, concurrency=2, retries=9))
    RunFolder(tmp_path / "run", settings).bind()
    RunFolder(tmp_path / "run", slower).bind()
    assert settings.digest == slower.digest
    elsewhere = Settings(policy_server=ServerSettings(url="http://b/v1"))
    assert elsewhere.digest != settings.digest
    with pytest.raises(UserError, match="policy_server"):
        RunFolder(tmp_path / "run", elsewhere)


@pytest.mark.parametrize("value", [" http://box:8000/v1 \n", '"http://box:8000/v1"', "'http://box:8000/v1'"])
def test_blanks_and_quotes_around_the_address_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", value)
    assert make_engine("openai:m").fingerprint == "openai:m@http://box:8000/v1"
    named = make_engine("openai:m", server=ServerSettings(url="http://other/v1"))
    assert named.fingerprint == "openai:m@http://other/v1"


def test_the_key_comes_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", " 'sk-mine' ")
    engine: Any = make_engine("openai:m", server=ServerSettings(key_variable="MY_KEY"))
    assert engine._server.connection.api_key == "sk-mine"
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(UserError, match="MY_KEY: this variable holds no key"):
        make_engine("openai:m", server=ServerSettings(key_variable="MY_KEY"))


@pytest.mark.parametrize("address", ["http://a b/v1", "http://a/v1\x07", "http://[::1/v1", "http://box:99999/v1"])
def test_addresses_that_no_request_can_go_to_are_refused(address: str) -> None:
    with pytest.raises(UserError, match="not an http address"):
        make_engine("openai:m", server=ServerSettings(url=address))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", SOCKS),
        ("HTTPS_PROXY", "htp://proxy:3128"),
        ("HTTP_PROXY", "http://proxy:port"),
        ("https_proxy", "http://[::1"),
        ("SSL_CERT_FILE", "/no/such/file.pem"),
        ("OPENAI_ORG_ID", "organisação"),
    ],
)
def test_an_environment_that_allows_no_connection_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=f"{variable}: no connection to box:8000 can be made") as caught:
        make_engine("openai:m", server=ServerSettings(url="https://box:8000/v1"))
    assert "unset" in caught.value.do


@pytest.mark.parametrize("variable", PROXIES)
@pytest.mark.parametrize("proxy", [SOCKS, "http://127.0.0.1:1", "nonsense://"])
def test_a_server_on_this_machine_is_reached_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str
) -> None:
    monkeypatch.setenv(variable, proxy)
    with serve(lambda body, number: Reply(completion("fine"))) as server:
        engine = make_engine("openai:m", server=ServerSettings(url=server.url))
        assert engine.generate([Prompt("s", "u")], Sampling(4))[0].texts == ("fine",)


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("http://localhost:1", True),
        ("http://127.8.9.1/v1", True),
        ("http://[::1]:8/v1", True),
        ("http://box/v1", False),
    ],
)
def test_which_addresses_are_of_this_machine(address: str, is_local: bool) -> None:
    assert Connection(address, "").is_local == is_local


def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    engine = make_engine("openai:m", server=ServerSettings(url="http://192.0.2.1/v1"))
    with pytest.raises(UserError, match="cannot be reached") as caught:
        engine.generate([Prompt("s", "u")], Sampling(4))
    assert "HTTP_PROXY" in caught.value.do
