"""Output of commands on planted users, in the documents: it is what the commands print."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from deeper.cli.main import _run  # pyright: ignore[reportPrivateUsage]
from in_process import run_main

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODEL_FREE = re.compile(r"deeper (?:synth|compare) |--policy-engine scripted:taste")


def deeper(folder: Path, command: str) -> list[str]:
    with contextlib.chdir(folder):
        done = run_main(_run, *command.split()[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.rstrip() for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("document", "section"), [("data.md", "Synthetic users with known taste"), ("running.md", "Compare runs")]
)
def test_a_document_shows_what_the_command_prints(document: str, section: str, tmp_path: Path) -> None:
    text = (DOCS / document).read_text("utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    compared = 0
    for block in BLOCK.findall(text):
        if block.startswith("$ "):
            command, output = block[2:].split("\n", 1)
            assert deeper(tmp_path, command) == [line.rstrip() for line in output.splitlines()]
            compared += 1
        else:
            for command in block.replace("\\\n", " ").splitlines():
                if MODEL_FREE.search(command):
                    deeper(tmp_path, command)
    assert compared


def test_the_method_shows_what_its_python_prints() -> None:
    """Blocks of Python follow each other in one program; behind each one that prints stands what it prints."""
    text = (DOCS / "method.md").read_text("utf-8")
    names: dict[str, object] = {}
    shown = re.findall(r"^```python\n(.*?)^```\n\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for code, output in shown:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == output
    assert len(shown) == text.count("```python") == 3
