import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import HALF_STARS, NASTY, STARS

from deeper.engine import Prompt, ScoreRequest
from deeper.engine.embedded import EmbeddedEngine

pytestmark = [pytest.mark.embedded, pytest.mark.reference]

TOLERANCE = 0.08
"""Largest difference of a label's log-probability, in nat."""

TITLES = [
    "The Long Harbour (1974)",
    "  two  blanks   and more ",
    "soft\u00adhyphen Wo\u00admen's Boot\u00ad",
    "\u200eCorner Bakery\u200e, 12 Elm St",
    "R&amp;B &quot;Best of&quot; &#39;99 <b>live</b> &nbsp;",
    "[ Tides BY Harper, June ( Author ) ] { Paperback } 2013",
    "{0} {title} %s {{}}",
    "\"Old\" Hanna's 'Diner', 5 Main St",
    "“Curly” ‘quotes’ — dashes – …",
    "'tis the season, we've they'll DON'T I'M",
    "Crème brûlée à la façon d'Ōsaka",
    "寿司 すし Σίσυφος Война ﬁﬂ ½ №",
    "e\u0301 combining, \u00e9 composed",
    "😀👩‍👩‍👧 family",
    "42",
    "911",
    "12.21.12",
    "1,000,000 ways, 3.5 stars, 007 & 2001: B52s",
    "tab\there and\ttwo\t\ttabs",
    "line\nbreak\r\nand\n\n\ntwo  \n  indented",
    "P",
    "throw away the recipe      plain loaf",
    "five star apple cake!!! ***** ...",
    "Zip-Lock 16oz/473mL (Pack of 12) #9 w/ 1/4\" x 3' @home",
    "A" * 60,
    "http://example.org/a_b?c=d&e=f",
    "\u00a0no-break\u00a0blank\u3000wide\u2009thin\ufeff",
]
PERSONAS = [
    "The user loves slow thrillers and gave them 5, 4.5 and 4. The user gave comedies 2.",
    "A generous viewer who enjoys nearly everything, above all old musicals and quiet family dramas.",
    "A harsh critic: " + "bored by loud spectacle, impatient with sequels, unmoved by star casts; " * 6,
]


def question(persona: str, title: str, labels: tuple[str, ...]) -> tuple[Prompt, str, tuple[str, ...]]:
    steps = "from 0.5 to 5 in half steps" if labels == HALF_STARS else "from 1 to 5"
    prompt = Prompt("You predict how a user rates movies. Answer with one number.", f"{persona}\n")
    return prompt, f"Rating {steps} for the movie: {title}\nAnswer with the number only.", labels


QUESTIONS = [
    question(PERSONAS[0], TITLES[0], HALF_STARS),
    question(PERSONAS[1], TITLES[5], HALF_STARS),
    question(PERSONAS[2], TITLES[12], HALF_STARS),
    question(PERSONAS[0], TITLES[2], STARS),
    question(PERSONAS[1], TITLES[7], STARS),
    question(PERSONAS[2], TITLES[10], STARS),
]


@pytest.fixture(scope="module")
def engine() -> EmbeddedEngine:
    return EmbeddedEngine()


@pytest.fixture(scope="module")
def reference(engine: EmbeddedEngine) -> Mapping[str, Any]:
    python = os.environ.get("DEEPER_REFERENCE_PYTHON")
    if not python:
        pytest.skip("DEEPER_REFERENCE_PYTHON names no interpreter with torch and transformers; `make test` sets it")
    asked = {
        "folder": str(engine._weights.folder),
        "texts": TITLES + [engine._plain(text) for text in NASTY.values()],
        "questions": [{"system": p.system, "user": p.user + rest, "labels": labels} for p, rest, labels in QUESTIONS],
    }
    outcome = subprocess.run(
        [python, str(Path(__file__).with_name("reference.py"))],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    return json.loads(outcome.stdout)


def test_token_ids_of_nasty_titles(engine: EmbeddedEngine, reference: Mapping[str, Any]) -> None:
    texts = TITLES + [engine._plain(text) for text in NASTY.values()]
    ours = [list(engine._tokens(text)) for text in texts]
    assert {text: ids for text, ids in zip(texts, ours, strict=True)} == dict(zip(texts, reference["ids"], strict=True))


def test_token_ids_of_whole_prompts(engine: EmbeddedEngine, reference: Mapping[str, Any]) -> None:
    for (prompt, rest, _), ids in zip(QUESTIONS, reference["prompts"], strict=True):
        assert list(engine._encode(Prompt(prompt.system, prompt.user + rest))) == ids


def test_log_probabilities_of_labels(engine: EmbeddedEngine, reference: Mapping[str, Any]) -> None:
    requests = [ScoreRequest(prompt, (rest,), labels) for prompt, rest, labels in QUESTIONS]
    for scores, expected in zip(engine.score(requests), reference["scores"], strict=True):
        np.testing.assert_allclose(scores[0], expected, rtol=0, atol=TOLERANCE)
