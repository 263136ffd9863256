"""Form requests, and read texts from answers."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from deeper.engine.openai.responses import Answer, Choice
from deeper.engine.protocol import Prompt, Sampling

CONTROL_TOKEN = re.compile(r"<(\|[^<>|\s]+\||/?s|(?:start|end)_of_turn)>|\[(/?INST)\]")
"""Control tokens of common chat templates. The server's own tokeniser is not known here."""
TOP_LOGPROBS = 20
"""Alternatives to ask for at each position: the most that the API allows."""


def generate_body(model: str, prompt: Prompt, sampling: Sampling, seed: int, count: int) -> dict[str, Any]:
    """Return a request for `count` samples; `seed` is the server's."""
    body = _body(model, prompt, sampling.max_tokens, sampling.temperature) | {"seed": seed}
    if count > 1:
        body["n"] = count
    if sampling.json_schema is not None:
        schema = {"name": "answer", "strict": True, "schema": dict(sampling.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def score_body(model: str, prompt: Prompt, labels: Sequence[str]) -> dict[str, Any]:
    """Return a request for a greedy answer with alternatives, one token longer than the longest label can be."""
    return _body(model, prompt, max(map(len, labels)) + 1, 0.0) | {"logprobs": True, "top_logprobs": TOP_LOGPROBS}


def server_seed(seed: int, sample: int, empty_answers: int) -> int:
    """Return a seed for one request. Servers add the sample's number, so neighbouring seeds would share samples."""
    digest = hashlib.sha256(f"{seed} {sample} {empty_answers}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def texts_and_tokens(answer: Answer, is_json: bool) -> list[tuple[str, int]]:
    """Return the texts that are not empty, in order, with the token count divided by length.

    Args:
        answer: The answer.
        is_json: Whether JSON was asked for: then a text is the one object in it, and one that was cut off is left out.
    """
    choices = sorted(answer.choices, key=lambda choice: choice.index)
    tokens = answer.usage.completion_tokens if answer.usage else 0
    characters = sum(len(choice.reasoning) + len(choice.text) for choice in choices)
    found = [(choice, one_object(choice.text) if is_json else choice.text) for choice in choices if choice.text]
    return [
        (text, round(tokens * len(choice.text) / characters))
        for choice, text in found
        if not (is_json and choice.is_cut_off and not _is_json(text))
    ]


def why_no_text(choices: Sequence[Choice], max_tokens: int) -> str:
    """Say why an answer holds no text that can be used; empty if another try may give one."""
    if any(choice.is_cut_off and choice.reasoning and not choice.text for choice in choices):
        do = "raise max_persona_tokens, or turn reasoning off (extra fields of the server)"
        return f"all {max_tokens} tokens went into reasoning; {do}"
    if any(choice.is_cut_off and choice.text for choice in choices):
        return f"the JSON was cut off at {max_tokens} tokens"
    return ""


def one_object(text: str) -> str:
    """Return the JSON object in a text that has a fence or words around it; the text as it is without exactly one."""
    inside = text[text.find("{") : text.rfind("}") + 1]
    return inside if not _is_json(text) and _is_json(inside) else text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _body(model: str, prompt: Prompt, max_tokens: int, temperature: float) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": _as_text(prompt.system)},
        {"role": "user", "content": _as_text(prompt.user)},
    ]
    return {"model": model, "messages": messages, "max_tokens": max_tokens, "temperature": temperature}


def _as_text(text: str) -> str:
    """Split everything that looks like a control token of a chat template; a server would obey it."""
    return CONTROL_TOKEN.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
