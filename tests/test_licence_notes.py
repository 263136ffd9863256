"""The licence of the shipped adapters stands beside every snippet that uses them."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
RUN = re.compile(r"deeper (?:demo|evaluate)(?![ \w]*--help)\b([^\n|>#`]*)")
TRACKER = re.compile(r"PersonaTracker\(([^)]*)\)")
ROLES = ("policy", "predictor")


def uses_the_adapters(code: str) -> bool:
    """Whether some code runs the small model with an adapter of the package, because it chooses nothing else."""
    runs = [match[1] for match in RUN.finditer(code.replace("\\\n", " "))]
    trackers = [match[1] for match in TRACKER.finditer(code) if match[1] not in ("", "…")]
    return (
        "make demo" in code
        or any(not re.search("--(untuned|prompts)", run) and not chooses(run, "--{}-(engine|adapter)") for run in runs)
        or any("untuned" not in given and not chooses(given, "{}_engine=") for given in trackers)
    )


def chooses(text: str, pattern: str) -> bool:
    return all(re.search(pattern.format(role), text) for role in ROLES)


def sections(text: str) -> list[str]:
    """A document in parts, each under a heading; a line in a code block is no heading."""
    parts, is_code = [""], False
    for line in text.splitlines(keepends=True):
        is_code ^= line.startswith("```")
        if line.startswith("#") and not is_code:
            parts.append("")
        parts[-1] += line
    return parts


def snippets(section: str) -> list[str]:
    """The code blocks of a section, and the commands in its tables."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    rows = [line for line in section.splitlines() if line.startswith("|")]
    named = [code for row in rows for code in re.findall(r"`([^`]+)`", row)]
    return [*blocks, *(code for code in named if "--" in code or "make" in code)]


def users_of_the_adapters() -> list[tuple[str, str]]:
    return [
        (f"{path.relative_to(ROOT)}: {section.splitlines()[0]}", section)
        for path in DOCUMENTS
        for section in sections(path.read_text("utf-8"))
        if any(map(uses_the_adapters, snippets(section)))
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("deeper demo", True),
        ("make demo RATINGS=mine.csv", True),
        ("deeper evaluate --untuned", False),
        ("deeper evaluate --policy-engine scripted", True),
        ("deeper evaluate --policy-engine openai:M \\\n  --predictor-engine openai:M", False),
        ("deeper report runs/mine", False),
        ('PersonaTracker("movielens_small")', True),
        ('PersonaTracker("a.toml", policy_engine=one, predictor_engine=one)', False),
    ],
)
def test_what_uses_the_adapters_is_recognised(code: str, expected: bool) -> None:
    assert uses_the_adapters(code) is expected


@pytest.mark.parametrize(("where", "section"), users_of_the_adapters(), ids=lambda value: value[:40])
def test_the_licence_stands_beside_every_snippet(where: str, section: str) -> None:
    assert "CC BY-NC 4.0" in section, where


def test_the_way_for_commercial_use_is_named_in_every_document_with_a_snippet() -> None:
    found = {where.partition(":")[0] for where, _ in users_of_the_adapters()}
    assert len(found) > 4
    for name in found:
        text = " ".join((ROOT / name).read_text("utf-8").split())
        assert "commercial use" in text and re.search("--untuned|untuned=True", text) and "another model" in text, name


def test_the_cards_and_the_notebook_name_the_licence_where_they_name_a_command() -> None:
    for card in sorted((ROOT / "src/deeper/adapters").glob("*/README.md")):
        _, _, after = card.read_text("utf-8").partition("deeper evaluate")
        assert "cc-by-nc-4.0: no commercial use" in after.partition("\n## ")[0]
    notebook = json.loads((ROOT / "docs/notebooks/method.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    assert [("CC BY-NC 4.0" in cell, "--untuned" in cell) for cell in cells if "`deeper demo`" in cell] == [
        (True, True)
    ]
