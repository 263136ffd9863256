"""Runs with a model server: its settings as flags and in a file, its progress, and starts that are refused."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import SCRIPTED, CommandLine

from deeper.engine.openai.connection import ENVIRONMENT

# The server of the engines' tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))
from loopback import Reply, completion, serve

SERVED = (*SCRIPTED, "--policy-engine", "openai:tiny", "--users", "2", "--rounds", "1", "--out", "run")


def answer(body: dict[str, Any], number: int) -> Reply:
    return Reply(completion("They like calm stories and dislike noise."))


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENVIRONMENT, "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_flags_and_a_file_say_how_to_call_the_server(deeper: CommandLine, data: Path) -> None:
    with serve(answer) as server:
        words = ("evaluate", "--data", str(data), *SERVED)
        result = deeper(*words, "--policy-server", f'url={server.url},extra={{"top_k": 7, "min_p": 0.1}}')
        assert result.code == 0, result.err
        assert {(body["top_k"], body["min_p"]) for body in server.bodies} == {(7, 0.1)}
        asked = len(server.bodies)
        Path("mine.toml").write_text(
            f'[policy_server]\nurl = "{server.url}"\ntimeout_seconds = 5\nextra = {{top_k = 7, min_p = 0.1}}\n', "utf-8"
        )
        assert deeper(*words, "--config", "mine.toml").code == 0
        assert len(server.bodies) == asked, "the same run, with another timeout"


@pytest.mark.parametrize("folder", ["other settings", "other files"])
def test_a_start_that_is_refused_sends_nothing(deeper: CommandLine, folder: str) -> None:
    lines = [f"u{user},Cove {i},{1 + i % 5},{1_600_000_000 + i}" for user in range(3) for i in range(30)]
    Path("ratings.csv").write_text("\n".join(["user,title,rating,time", *lines, ""]), "utf-8")
    Path("run").mkdir()
    kept, text = ("config.toml", "seed = 9\n") if folder == "other settings" else ("notes.txt", "mine")
    Path("run", kept).write_text(text, "utf-8")
    with serve(answer) as server:
        result = deeper("demo", "--ratings", "ratings.csv", *SERVED, "--policy-server", f"url={server.url}")
        assert (result.code, server.bodies) == (2, [])
    assert "deeper: run: the " in result.err
    assert Path("run", kept).read_text("utf-8") == text


def test_a_bad_proxy_is_the_users_error(deeper: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    result = deeper("evaluate", "--data", str(data), *SERVED, "--policy-server", "url=http://192.0.2.1/v1")
    assert result.code == 2
    assert "deeper: ALL_PROXY: no connection to 192.0.2.1 can be made" in result.err
    assert "→ correct or unset them" in result.err
    assert not Path("run").exists()


def test_what_a_server_refused_stands_in_the_manifest_and_in_the_notes(deeper: CommandLine, data: Path) -> None:
    def particular(body: dict[str, Any], number: int) -> Reply:
        refused = [name for name in ("seed", "temperature") if name in body]
        error = {"error": {"message": f"Unsupported parameter: {refused[0]}"}} if refused else None
        return Reply(error, 400) if refused else answer(body, number)

    noted = [
        "openai:tiny takes no seed, so its answers cannot be repeated",
        "openai:tiny takes no temperature, so it samples with its own",
    ]
    with serve(particular) as server:
        words = ("evaluate", "--data", str(data), *SERVED, "--policy-server", f"url={server.url}")
        assert deeper(*words).code == 0
        asked = len(server.bodies)
        for _ in range(2):  # the second run finds everything there, and asks nothing
            manifest = json.loads(Path("run/manifest.json").read_text("utf-8"))
            assert manifest["server_notes"] == noted
            assert json.loads(Path("run/results.json").read_text("utf-8"))["notes"][-2:] == noted
            assert noted[0] in Path("run/report.html").read_text("utf-8")
            assert deeper(*words).code == 0
        assert len(server.bodies) == asked
