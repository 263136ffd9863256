"""The core works where the extra `[train]` is not installed."""

import subprocess
import sys
from pathlib import Path

from command_line import SCRIPTED

from deeper.errors import install_extra

BLOCKED = ("torch", "transformers", "tokenizers", "peft", "trl", "datasets", "accelerate", "llguidance")
PRELUDE = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r}));"


def without_train(code: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a Python where importing anything of the extra fails."""
    command = [sys.executable, "-c", PRELUDE + code, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_block_blocks(tmp_path: Path) -> None:
    outcome = without_train("import torch", cwd=tmp_path)
    assert "ModuleNotFoundError" in outcome.stderr


def test_all_commands_and_the_embedded_engine_can_be_imported(tmp_path: Path) -> None:
    code = (
        "import click, deeper.engine.openvino.engine; from deeper.cli.main import cli;"
        "context = click.Context(cli);"
        "print([cli.get_command(context, name).name for name in cli.list_commands(context)])"
    )
    outcome = without_train(code, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert "evaluate" in outcome.stdout


def test_an_evaluation_runs(tmp_path: Path, data: Path) -> None:
    words = ("evaluate", "--data", str(data), *SCRIPTED, "--users", "2", "--rounds", "1", "--out", "run")
    outcome = without_train("from deeper.cli.main import cli; cli()", *words, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert (tmp_path / "run" / "results.json").exists()


def test_the_engine_of_transformers_says_what_is_missing(tmp_path: Path) -> None:
    code = "from deeper.engine.registry import make_engine; make_engine('transformers')"
    outcome = without_train(code, cwd=tmp_path)
    assert install_extra("train") in outcome.stderr
