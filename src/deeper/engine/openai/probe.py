"""Ask a server a few small questions, and say what it can do: the questions of `deeper doctor --engine openai:NAME`."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from deeper.engine.openai.calls import CallFailed
from deeper.engine.openai.engine import OpenAIEngine
from deeper.engine.openai.requests import TOP_LOGPROBS, generate_body, one_object, score_body
from deeper.engine.openai.responses import Answer
from deeper.engine.protocol import Prompt, Sampling
from deeper.errors import UserError

Body = dict[str, Any]

QUESTION = Prompt("You are brief.", "Name a colour.")
YES_OR_NO = Prompt("You answer with one word.", "Is water wet? Answer yes or no.")
AS_JSON = Prompt("You answer in JSON.", 'Name a colour. Answer with {"colour": ...}.')
ONLY_COLOUR = "mauve"
"""The only colour that the schema allows; few models would name it by themselves."""
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": [ONLY_COLOUR]}},
    "required": ["colour"],
    "additionalProperties": False,
}
SHOWN_NAMES = 8


@dataclass(frozen=True)
class Finding:
    """What one question found. "missing" has a way around; with "broken", the engine cannot be used."""

    name: str
    state: Literal["ok", "missing", "broken"]
    text: str


def probe(engine: OpenAIEngine) -> Iterator[Finding]:
    """Ask the questions one after the other; stop at the first that shows that the engine cannot be used."""
    engine.dialect.tell = lambda note: None  # the findings say it
    try:
        cards = engine.models()
        yield Finding("server", "ok", f"answers; models listed: {len(cards) or 'none'}")
    except UserError as error:
        yield Finding("server", "broken", f"{error.where}: {error.what}; {error.do}")
        return
    known = [str(card["id"]) for card in cards]
    try:
        began = time.monotonic()
        answer = engine.ask(question := generate_body(engine.model, QUESTION, Sampling(48), 1, 1))
        seconds = time.monotonic() - began
    except (UserError, CallFailed) as error:
        yield _model(engine.model, known, does_answer=False)
        yield Finding("answer", "broken", error.what if isinstance(error, UserError) else str(error))
        return
    yield _model(engine.model, known, does_answer=True)
    yield _answered(answer, seconds)
    yield _system(engine.dialect.translate(question))
    yield from _sampling(engine)
    yield _log_probabilities(engine)
    yield _json(engine)
    yield _adapters(cards)


def _model(model: str, known: Sequence[str], does_answer: bool) -> Finding:
    if model in known or f"{model}:latest" in known:
        return Finding("model", "ok", f"{model} is listed")
    if not known:
        return Finding("model", "ok" if does_answer else "broken", f"{model}; the server lists no names to compare")
    close = get_close_matches(model, known, 1)
    there = ", ".join(known[:SHOWN_NAMES]) + (f" and {len(known) - SHOWN_NAMES} more" if known[SHOWN_NAMES:] else "")
    hint = f"; did you mean {close[0]}?" if close else "."
    if does_answer:
        return Finding("model", "ok", f"{model} is not listed, and the server answers; it lists {there}")
    return Finding("model", "broken", f"{model} is not listed{hint} The server lists {there}")


def _answered(answer: Answer, seconds: float) -> Finding:
    [choice, *_] = answer.choices
    took = f"in {seconds:.1f} s"
    if not choice.reasoning:
        return Finding("answer", "ok", f"{took}: {_short(choice.text)}")
    more = _short(choice.text) if choice.text else "nothing else within 48 tokens"
    text = f"{took}: reasoning first, then {more}; reasoning counts in max_persona_tokens, so turn it off or raise them"
    return Finding("answer", "ok" if choice.text else "missing", text)


def _system(accepted: Body) -> Finding:
    if len(accepted["messages"]) > 1:
        return Finding("system message", "ok", "accepted")
    return Finding("system message", "missing", "refused; its text begins the user message")


def _sampling(engine: OpenAIEngine) -> Iterator[Finding]:
    body = generate_body(engine.model, QUESTION, Sampling(12, 1.0), 7, 2)
    try:
        first, again = (sorted(choice.text for choice in engine.ask(body).choices) for _ in range(2))
    except CallFailed as failure:
        yield Finding("samples", "missing", f"not available: {failure}")
        return
    accepted = engine.dialect.translate(body)
    if "n" in accepted and len(first) == 2:
        yield Finding("samples", "ok", "several in one request")
    else:
        yield Finding("samples", "missing", "one in each request; several are requested one by one")
    if "seed" not in accepted:
        yield Finding("seed", "missing", "refused; samples cannot be repeated")
    elif first == again:
        yield Finding("seed", "ok", "the same seed gave the same samples")
    else:
        yield Finding("seed", "missing", "accepted, but the same seed gave other samples")
    if replaced := [name for name in ("max_tokens", "temperature") if accepted.get(name) != body[name]]:
        yield Finding("parameters", "missing", f"refused and replaced or left out: {', '.join(replaced)}")


def _log_probabilities(engine: OpenAIEngine) -> Finding:
    body = score_body(engine.model, YES_OR_NO, ("yes", "no"))
    none = "; the readout is structured (one number for each item)"
    try:
        positions = engine.ask(body).choices[0].positions
    except CallFailed as failure:
        return Finding("log-probabilities", "missing", f"none ({failure}){none}")
    shown = max((len(position.top_logprobs) for position in positions), default=0)
    if not shown:
        return Finding("log-probabilities", "missing", f"none{none}")
    state = "ok" if shown >= TOP_LOGPROBS else "missing"
    return Finding("log-probabilities", state, f"{shown} alternatives at each position; the readout is distribution")


def _json(engine: OpenAIEngine) -> Finding:
    body = generate_body(engine.model, AS_JSON, Sampling(48, json_schema=SCHEMA), 1, 1)
    try:
        text = engine.ask(body).choices[0].text
    except CallFailed as failure:
        return Finding("JSON", "missing", f"not available: {failure}")
    form = engine.dialect.translate(body).get("response_format", {}).get("type", "plain text")
    try:
        answer = json.loads(one_object(text))
    except (ValueError, RecursionError):
        return Finding("JSON", "missing", f"{form} is accepted, but the answer is no JSON: {_short(text)}")
    if form != "json_schema":
        return Finding("JSON", "missing", f"no schema; {form} gave JSON")
    if answer == {"colour": ONLY_COLOUR}:
        return Finding("JSON", "ok", "a schema is obeyed")
    return Finding("JSON", "missing", "a schema is accepted, but not obeyed; answers are checked")


def _adapters(cards: Sequence[Mapping[str, Any]]) -> Finding:
    """What vLLM lists as children of another model: LoRA adapters."""
    names = [str(card["id"]) for card in cards if card.get("parent")]
    if names:
        return Finding("LoRA adapters", "ok", f"{', '.join(names)}; use them with --policy-adapter NAME")
    return Finding("LoRA adapters", "missing", "none listed")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:60]}{'…' if len(line) > 60 else ''}”"
