"""What a command says, and ends with, if calls failed or it could not start; and how the same command goes on."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.cli.options.exit_codes import INCOMPLETE
from deeper.commands.execution import engines as engine_choice
from deeper.engine import Completion, Prompt, Sampling, ScoreRequest
from deeper.engine.scripted.engine import ScriptedEngine, ScriptedFailure, digest_scores
from deeper.errors import UserError

EVALUATE = ("evaluate", "--methods", "refine,frozen,no_persona,user_median", "--users", "3", "--rounds", "2",
            "--calibration", "off", "--out", "run")  # fmt: skip
SAMPLE = ("sample", "--users", "6", "--directions", "3", "--calibration", "off", "--out", "run")


class Server(ScriptedEngine):
    """A scripted engine that is asked again for what failed, as a server is.

    Attributes:
        calls: How many questions it was asked.
    """

    is_repeatable = False

    def __init__(self, **answers: Any) -> None:
        super().__init__(**answers)
        self.fingerprint = "a server"
        self.calls = 0

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        self.calls += len(prompts)
        return super().generate(prompts, sampling)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Any]:
        self.calls += len(requests)
        return super().score(requests)


def no_text(*_: object) -> str:
    raise ScriptedFailure("HTTP 500: <out of luck>")


def no_scores(*_: object) -> Any:
    raise ScriptedFailure("HTTP 503: the model is loading")


def refused(*_: object) -> Any:
    raise UserError("the server cannot be reached", where="http://here/v1", do="start the server")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Server]:
    """Puts a server in the place of the engines that settings name; the predictor may have another one."""

    def put(policy: Server | None = None, predictor: Server | None = None) -> Server:
        policy = policy or Server()
        engines = {"embedded": policy, "transformers": predictor or policy}
        monkeypatch.setattr(engine_choice, "make_engine", lambda spec, *_: engines[spec])
        return policy

    return put


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    write_planted(plant_users(30, 4, seed=3), tmp_path / "planted")
    return tmp_path / "planted"


def flags(words: tuple[str, ...], data: Path) -> tuple[str, ...]:
    return (*words, "--data", str(data), "--policy-engine", "embedded", "--predictor-engine", "transformers")


def test_a_method_without_a_result_ends_the_command_with_3_and_is_in_every_table(
    deeper: CommandLine, planted: Path, serve: Callable[..., Server]
) -> None:
    serve(Server(reply=no_text), Server())
    summary = deeper(*flags(EVALUATE, planted))
    full = deeper(*flags(EVALUATE, planted), "--full")
    assert summary.code == full.code == INCOMPLETE == 3
    words = " ".join(summary.out.split())
    assert "INCOMPLETE: no result, or not in each round: frozen, refine." in words
    assert "9 calls failed: refine 6 of 6 personas, first personas 3 of 3 personas." in words
    assert "Most often: HTTP 500: <out of luck>." in words
    assert "repeat the command: it asks only the failed calls again" in words
    assert " refine         failed failed failed\n" in summary.out
    assert " first persona  failed failed failed\n" in summary.out
    rows = [line.split() for line in full.out.splitlines() if line.startswith((" refine ", " frozen "))]
    assert len(rows) == 10 and all(row[1] == "failed" for row in rows), "errors, differences, measures, two in-sample"

    page = Path("run/report.html").read_text("utf-8")
    assert "INCOMPLETE" in page and "HTTP 500: &lt;out of luck&gt;" in page
    tables = page.count("<th scope=row>refine</th><td class=number>failed</td>")
    assert tables == 4, "held out, in-sample on two windows, and in-sample in short"
    assert "Not drawn: frozen (failed), refine (failed)." in page
    found = json.loads(Path("run/results.json").read_text("utf-8"))
    assert {(entry["method"], entry["mae"]) for entry in found["missing"]} == {("frozen", None), ("refine", None)}

    serve()
    mended = deeper(*flags(EVALUATE, planted))
    assert mended.code == 0 and "failed" not in mended.out
    assert "3 that had failed asked again" in mended.err


def test_predictions_that_a_server_did_not_score_have_its_reason(
    deeper: CommandLine, planted: Path, serve: Callable[..., Server]
) -> None:
    serve(Server(), Server(scorer=no_scores))
    result = deeper(*flags(EVALUATE, planted))
    assert result.code == INCOMPLETE, result.err
    assert "Most often: HTTP 503: the model is loading." in " ".join(result.out.split())
    found = json.loads(Path("run/results.json").read_text("utf-8"))
    assert {entry["what"] for entry in found["failed_calls"]} == {"predictions"}
    assert {entry["reason"] for entry in found["failed_calls"]} == {"HTTP 503: the model is loading"}


def test_a_run_in_which_no_method_has_a_result_has_its_reports(
    deeper: CommandLine, planted: Path, serve: Callable[..., Server]
) -> None:
    serve(Server(reply=no_text, scorer=no_scores))
    words = ("evaluate", "--methods", "refine,frozen", "--users", "3", "--rounds", "1", "--out", "run")
    for full in ((), ("--full",)):
        result = deeper(*flags(words, planted), *full)
        assert result.code == INCOMPLETE, result.err
        assert "INCOMPLETE" in result.out and "refine" in result.out
    assert "failed" in Path("run/report.html").read_text("utf-8")


def test_some_failures_are_told_and_end_with_0(
    deeper: CommandLine, planted: Path, serve: Callable[..., Server]
) -> None:
    def some(prompt: Prompt, continuation: str, labels: Sequence[str]) -> Any:
        fails = sum(map(ord, prompt.user + continuation)) % 150 == 0
        return no_scores() if fails else digest_scores(prompt, continuation, labels)

    serve(Server(), Server(scorer=some))
    result = deeper(*flags(EVALUATE, planted), "--users", "12")
    assert result.code == 0, result.err
    assert "INCOMPLETE" not in result.out
    assert " predictions" in result.out and "failed: " in result.out


def test_a_finished_command_asks_only_for_what_failed(
    deeper: CommandLine, planted: Path, serve: Callable[..., Server]
) -> None:
    words = flags((*EVALUATE, "--rounds", "0"), planted)
    policy = serve(Server(reply=no_text), Server())
    deeper(*words)
    again = Server(reply=no_text)
    predictor = Server()
    serve(again, predictor)
    assert deeper(*words).code == INCOMPLETE
    assert (again.calls, predictor.calls) == (policy.calls, 0) and policy.calls == 3


@pytest.mark.parametrize("words", [EVALUATE, SAMPLE, ("demo", *EVALUATE[1:])])
@pytest.mark.parametrize(
    "engines",
    [
        {"policy": {"reply": refused}},
        {"predictor": {"scorer": refused}},
        {"policy": {"scorer": refused}},
    ],
    ids=["no policy", "no predictor", "a server without log-probabilities"],
)
def test_a_start_that_is_refused_leaves_the_folder_to_other_settings(
    deeper: CommandLine,
    planted: Path,
    serve: Callable[..., Server],
    words: tuple[str, ...],
    engines: dict[str, dict[str, Any]],
) -> None:
    serve(**{role: Server(**answers) for role, answers in engines.items()})
    result = deeper(*flags(words, planted))
    assert result.code == 2 and "cannot be reached" in result.err
    serve()
    mended = deeper(*flags(words, planted), "--seed", "7")
    assert mended.code == 0, mended.err
    assert "seed = 7\n" in Path("run/config.toml").read_text("utf-8")
    other = deeper(*flags(words, planted))
    assert other.code == 2 and "made with other settings: seed = 1 (was 7)" in other.err


def test_a_folder_of_prompts_that_cannot_be_used_binds_nothing(
    deeper: CommandLine, planted: Path, serve: Callable[..., Server]
) -> None:
    serve()
    Path("mine").mkdir()
    Path("mine/refine.txt").write_text("no placeholder", "utf-8")
    for words in (EVALUATE, SAMPLE):
        assert deeper(*flags(words, planted), "--prompts", "mine").code == 2
    assert not Path("run").exists()


def test_sampling_without_a_direction_ends_with_3(
    deeper: CommandLine, planted: Path, serve: Callable[..., Server]
) -> None:
    serve(Server(reply=no_text), Server())
    result = deeper(*flags(SAMPLE, planted))
    assert result.code == INCOMPLETE, result.err
    assert "first personas 6 of 6 personas" in " ".join(result.out.split())
    assert "Next: deeper reward" not in result.out
    serve()
    assert deeper(*flags(SAMPLE, planted)).code == 0


def test_rewards_that_are_all_missing_end_with_3_and_are_asked_again(
    deeper: CommandLine, planted: Path, serve: Callable[..., Server]
) -> None:
    serve()
    assert deeper(*flags(SAMPLE, planted)).code == 0
    serve(Server(), Server(scorer=no_scores))
    result = deeper("reward", "run")
    assert result.code == INCOMPLETE, result.err
    assert "calls failed: directions" in result.out and "HTTP 503" not in result.err
    assert "calls failed" in Path("run/reward.html").read_text("utf-8")
    serve()
    mended = deeper("reward", "run")
    assert mended.code == 0 and "failed: " not in mended.out
