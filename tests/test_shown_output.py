"""Output of commands on planted users, in the documents: it is what the commands print."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from deeper.cli.main import _run  # pyright: ignore[reportPrivateUsage]
from deeper.learning.examples.recipe import LESSONS, READINGS
from deeper.persona.describer.recipe import DESCRIBER
from deeper.persona.evidence.recipe import EVIDENCE
from deeper.persona.recipe import RECIPE as PERSONA
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


def test_the_documents_say_the_numbers_of_the_recipes() -> None:
    method, training = (" ".join((DOCS / name).read_text("utf-8").split()) for name in ("method.md", "training.md"))
    near, middle, far = (f"±{cut:g}".replace("0.", ".") for cut in PERSONA.standing_cuts)
    assert f"| about | within {near} | | slightly above, slightly below | up to {middle} |" in method
    assert f"| above, below | up to {far} | | far above, far below | beyond |" in method
    assert f"at least {EVIDENCE.clear:.0%} sure".replace("%", " %") in method
    assert f"from {EVIDENCE.hedged:.0%} on".replace("%", " %") in method
    words = {2: "two", 3: "third", 4: "four", 0.2: "a fifth", 0.5: "half", 0.7: "seven tenths"}
    needs = f"A kind needs {words[EVIDENCE.kind_min_titles]} titles, and at most {words[EVIDENCE.max_kinds]} are told"
    assert needs in method
    assert f"half of the way in the second window, a {words[DESCRIBER.slowest]} of it later" in method
    assert f"categories (up to {words[PERSONA.standing_categories]})" in method
    assert f"{words[LESSONS.task_shares['refine']]} of the lessons each" in training
    assert f"In {words[LESSONS.strong_share]} of the lessons some kinds" in training
    assert f"{words[READINGS.known_items_share]} of the prompts say categories and standing" in training
