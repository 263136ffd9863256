"""The embedded engine against transformers: the same token ids, nearly the same probabilities."""

import numpy as np
import pytest
from contract import HALF_STARS, NASTY, STARS
from reference import score

from deeper.engine import Prompt, ScoreRequest
from deeper.engine.openvino.engine import EmbeddedEngine

transformers_model = pytest.importorskip("deeper.engine.torch.model", exc_type=ImportError)

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
    return EmbeddedEngine(precision="exact")


def test_token_ids_of_nasty_titles(engine, small) -> None:
    texts = TITLES + [engine._as_text(text) for text in NASTY.values()]
    theirs = {text: transformers_model.encode_label(small._tokenizer, text) for text in texts}
    assert {text: list(engine._tokens(text)) for text in texts} == theirs


@pytest.mark.parametrize("text", [*TITLES, *NASTY.values()])
def test_token_ids_of_whole_prompts(engine, small, text: str) -> None:
    control = transformers_model.control_tokens_of(small._tokenizer)
    assert set(control) == set(engine._weights.control_tokens)
    prompt = Prompt(text, f"{text}\nRate it.")
    assert list(engine._encode(prompt)) == transformers_model.encode_chat(small._tokenizer, prompt, control)


def test_log_probabilities_of_labels(engine, small) -> None:
    requests = [ScoreRequest(prompt, (rest,), labels) for prompt, rest, labels in QUESTIONS]
    for request, scores in zip(requests, engine.score(requests), strict=True):
        prompt = engine._encode(Prompt(request.prompt.system, request.prompt.user + request.continuations[0]))
        labels = [list(engine._tokens(label)) for label in request.labels]
        expected = score(small._model, prompt, labels, small._tokenizer.eos_token_id)
        np.testing.assert_allclose(scores[0], expected, rtol=0, atol=TOLERANCE)
