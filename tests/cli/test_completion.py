"""Completion in the shell, `python -m deeper`, and names that are nearly right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CommandLine

from deeper.cli.main import COMMANDS


def deeper_with(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deeper", *words]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def completed(line: str, word: int) -> list[str]:
    """What the shell offers for a word of a line."""
    done = deeper_with(_DEEPER_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(word))
    assert done.returncode == 0, done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell_is_printed(shell: str) -> None:
    done = deeper_with(_DEEPER_COMPLETE=f"{shell}_source")
    assert done.returncode == 0, done.stderr
    assert f"_DEEPER_COMPLETE={shell}_complete" in done.stdout and "deeper" in done.stdout


def test_commands_and_flags_are_completed() -> None:
    assert completed("deeper ", 1) == list(COMMANDS)
    assert completed("deeper e", 1) == ["evaluate", "export"]
    assert completed("deeper --v", 1) == ["--version"]
    assert completed("deeper train ", 2) == ["coldstart", "dpo", "predictor"]
    assert "--updater" in completed("deeper evaluate --upd", 2)
    assert completed("deeper evaluate --readout ", 3) == ["auto", "distribution", "structured"]


def test_python_m_deeper_is_the_same_command(deeper: CommandLine) -> None:
    here = deeper("--help")
    done = deeper_with("--help", COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == here.out.split() and done.stdout.startswith("Usage: deeper [OPTIONS]")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evalute",), "did you mean evaluate?"),
        (("train", "predictr"), "predictor"),
        (("evaluate", "--usres", "3"), "--users"),
        (("evaluate", "--methods", "refin"), "did you mean refine?"),
        (("evaluate", "--roles", "futur"), "did you mean future?"),
        (("evaluate", "--data", "{data}", "--domains", "cove"), "did you mean coves?"),
        (("evaluate", "--data", "{data}", "--policy-engine", "openia:m"), "did you mean openai?"),
        (("evaluate", "--config", "{config}"), "did you mean max_persona_tokens?"),
        (("prepare", "movielens_20", "--raw", ".", "--out", "x"), "did you mean movielens_20m?"),
    ],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(
    deeper: CommandLine, data: Path, words: tuple[str, ...], said: str
) -> None:
    Path("mine.toml").write_text("max_persona_token = 9\n", "utf-8")
    result = deeper(*(word.format(data=data, config="mine.toml") for word in words))
    assert result.code == 2
    assert said in " ".join(result.err.split())


def test_a_name_that_is_like_nothing_gets_no_guess(deeper: CommandLine) -> None:
    result = deeper("sing")
    assert result.code == 2 and "did you mean" not in result.err and "choose from demo, evaluate" in result.err
