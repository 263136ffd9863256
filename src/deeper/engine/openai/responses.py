"""The parts of a chat completion that the OpenAI engine reads. Servers differ in all other parts.

A field that is missing, null or senseless is read as "not given", and the rest of the answer stays. Reasoning before an
answer is kept apart from it.
"""

import math
import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

REASONING = re.compile(r"\s*(?:<think(?:ing)?>)?(?P<reasoning>.*?)</think(?:ing)?>", re.DOTALL)
"""Reasoning at the beginning of a text. Some servers leave out the opening mark, because it is part of the prompt."""
OPEN_REASONING = re.compile(r"\s*<think(?:ing)?>(?P<reasoning>.*)", re.DOTALL)
BYTE_TOKEN = re.compile(r"<0x([0-7][0-9A-Fa-f])>")
BLANK_MARKS = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n", "ĉ": "\t"})
"""How tokenisers write blanks inside a token; some servers show these marks in place of the text."""


class ErrorInside(Exception):
    """The server reported an error in the body of a response whose status says that all went well."""

    def __init__(self, error: Any) -> None:
        """Keep the error as it was sent: a text, or an object with a message and a code."""
        self.body = error
        super().__init__(str(cast(Any, error).get("message") or error) if isinstance(error, dict) else str(error))


def _count(value: Any) -> int:
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**31
    return int(value) if is_count else 0


def _log_probability(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number <= 1e-3 and math.isfinite(number) else None


def _token(value: str) -> str:
    return BYTE_TOKEN.sub(lambda match: chr(int(match[1], 16)), value.translate(BLANK_MARKS))


def _object(value: Any) -> Any:
    return value if isinstance(value, Mapping | BaseModel) else None


def _objects(value: Any) -> list[Any]:
    if isinstance(value, Mapping):  # the form of older servers: {token: log-probability}
        shown = cast(Mapping[str, Any], value)
        return [{"token": token, "logprob": logprob} for token, logprob in shown.items()]
    return [item for item in cast(list[Any], value) if _object(item) is not None] if isinstance(value, list) else []


def _has_token(item: Any) -> bool:
    return isinstance(item, BaseModel) or isinstance(item.get("token"), str)


def _alternatives(value: Any) -> list[Any]:
    return list(filter(_has_token, _objects(value)))


def _positions(value: Any) -> list[Any]:
    """The positions up to the first one whose token is not given: what follows cannot be placed."""
    return list(takewhile(_has_token, _objects(value)))


def _text(value: Any) -> str:
    if isinstance(value, list):
        parts = [part for part in _objects(value) if part.get("type", "text") == "text"]
        return "".join(_text(part.get("text")) for part in parts)
    return value if isinstance(value, str) else ""


Count = Annotated[int, BeforeValidator(_count)]
"""A count of tokens that fits into 32 bits; 0 if it is not given."""
LogProbability = Annotated[float | None, BeforeValidator(_log_probability)]
"""A natural log of at most 0; None if it is not given or no such number."""
Text = Annotated[str, BeforeValidator(_text)]


class Alternative(BaseModel):
    """A possible token at a position, with the natural log of its probability."""

    token: Annotated[str, AfterValidator(_token)]
    logprob: LogProbability = None


class Position(Alternative):
    """The generated token at a position, and the most likely alternatives."""

    top_logprobs: Annotated[list[Alternative], BeforeValidator(_alternatives)] = []

    @model_validator(mode="after")
    def _seen_among_alternatives(self) -> "Position":
        if self.logprob is None:
            shown = [a.logprob for a in self.top_logprobs if a.token == self.token and a.logprob is not None]
            self.logprob = shown[0] if shown else None
        return self


class Logprobs(BaseModel):
    """Log-probabilities of an answer, token by token."""

    content: Annotated[list[Position], BeforeValidator(_positions)] = []


class Message(BaseModel):
    """The text of an answer, and the reasoning before it under the names that servers have for it."""

    content: Text = ""
    reasoning_content: Text = ""
    reasoning: Text = ""


class Choice(BaseModel):
    """One of the answers to a prompt."""

    index: Count = 0
    message: Annotated[Message | None, BeforeValidator(_object)] = None
    logprobs: Annotated[Logprobs | None, BeforeValidator(_object)] = None
    finish_reason: Text = ""

    @property
    def text(self) -> str:
        """The answer without reasoning and surrounding white space; empty if there is none."""
        return self._split[1]

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered; empty if the server shows none."""
        return self._split[0]

    @property
    def is_cut_off(self) -> bool:
        """Whether the answer reached the longest length."""
        return self.finish_reason == "length"

    @property
    def positions(self) -> list[Position]:
        """The tokens with their log-probabilities; empty if the server gave none."""
        return self.logprobs.content if self.logprobs else []

    @property
    def _split(self) -> tuple[str, str]:
        message = self.message or Message()
        content, reasoning = message.content, message.reasoning_content or message.reasoning
        if found := REASONING.match(content):
            return f"{reasoning}{found['reasoning']}".strip(), content[found.end() :].strip()
        if found := OPEN_REASONING.match(content):
            return f"{reasoning}{found['reasoning']}".strip(), ""
        return reasoning.strip(), content.strip()


class CachedTokens(BaseModel):
    """How many tokens of the prompt came from the server's cache."""

    cached_tokens: Count = 0


class TokenUsage(BaseModel):
    """Tokens that one call used."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    prompt_tokens_details: Annotated[CachedTokens | None, BeforeValidator(_object)] = None


class Answer(BaseModel):
    """A chat completion.

    Raises:
        ErrorInside: The response holds an error in place of an answer.
    """

    choices: list[Choice] = Field(min_length=1)
    usage: Annotated[TokenUsage | None, BeforeValidator(_object)] = None

    @model_validator(mode="before")
    @classmethod
    def _no_error(cls, data: Any) -> Any:
        if isinstance(data, dict):
            response = cast(dict[str, Any], data)
            choices = _objects(response.get("choices"))
            errors = [holder["error"] for holder in (response, *choices) if holder.get("error")]
            if errors and not any(_text((choice.get("message") or {}).get("content")) for choice in choices):
                raise ErrorInside(errors[0])
        return data
