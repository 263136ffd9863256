"""Put a chat completion together from the bytes of a response: a stream of events, or one JSON document.

What a server does not stream, it sends at once; some do so even when asked for a stream.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

import openai
from pydantic_core import from_json

EVENTS = re.compile(rb"\s*(data|event|id|retry)?:")
"""How a stream of events begins."""
DONE = b"[DONE]"
LONGEST_ANSWER_BYTES = 16 * 2**20
"""An answer that is longer will not end: the server ignores its limit."""
LONGEST_REST_SECONDS = 0.1
"""How long to wait for the end of a response after its answer. The connection can then be used again."""
LIBRARIES = ("httpx", "httpcore", "anyio", "ssl")
"""Whose errors mean that a connection broke. The client has changed its HTTP library between versions."""


class CutOff(Exception):
    """A stream ended before its answer did."""


class EndlessAnswer(Exception):
    """An answer does not end."""


async def receive(response: Any, heard: Callable[[], None]) -> bytes:
    """Collect a response.

    Args:
        response: A response of the client that has been read up to its body.
        heard: Called for each part that is more than a sign that the connection is open.

    Raises:
        APIConnectionError: The connection broke.
        EndlessAnswer: The answer does not end.
    """
    received = bytearray()
    parts = response.iter_bytes()
    try:
        async for part in parts:
            received += part
            if not _is_comment(part):
                heard()
            if len(received) > LONGEST_ANSWER_BYTES:
                raise EndlessAnswer("the answer does not end")
            if _is_ended(received):
                async with asyncio.timeout(LONGEST_REST_SECONDS):
                    async for _ in parts:
                        pass
    except Exception as error:
        if _is_ended(received):
            return bytes(received)
        if not type(error).__module__.startswith(LIBRARIES):
            raise
        raise openai.APIConnectionError(request=response.http_request) from error
    return bytes(received)


def _is_comment(part: bytes) -> bool:
    """Whether a part of a stream says no more than that the connection is open."""
    return all(line.startswith(b":") for line in part.splitlines() if line)


def _is_ended(received: bytearray) -> bool:
    """Whether a stream has said that it is complete."""
    return bytes(received[-64:]).rstrip().endswith((b"data: " + DONE, b"data:" + DONE))


def read_completion(received: bytes) -> Any:
    """Return the JSON of a chat completion, as a server would send it without a stream.

    Args:
        received: The response.

    Raises:
        ValueError: It is neither JSON nor a stream of JSON.
        CutOff: The stream ended too early.
    """
    if not EVENTS.match(received):
        return from_json(received)
    events = list(_events(received))
    whole = _joined(from_json(event) for event in events if event != DONE)
    is_finished = DONE in events or any(choice.get("finish_reason") for choice in whole.get("choices", ()))
    if not is_finished and not whole.get("error"):
        raise CutOff("the answer was cut off")
    return whole


def _events(received: bytes) -> Iterable[bytes]:
    """The data of each event."""
    lines: list[bytes] = []
    for line in (*received.split(b"\n"), b""):
        name, _, value = line.rstrip(b"\r").partition(b":")
        if name == b"data":
            lines.append(value.strip())
        elif not name and lines and not value:
            yield b"\n".join(lines)
            lines = []


def _joined(events: Iterable[Any]) -> dict[str, Any]:
    """Join the pieces of each choice; of everything else, the last piece counts. An error stands for the whole."""
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for event in map(_object, events):
        if event.get("error"):
            return {"error": event["error"]}
        whole |= {name: value for name, value in event.items() if value is not None}
        for piece in map(_object, _list(event.get("choices"))):
            index = piece.get("index") if isinstance(piece.get("index"), int) else 0
            _add(choices.setdefault(cast(int, index), {"index": index, "message": {}}), piece)
    return {**whole, "choices": [choices[index] for index in sorted(choices)]}


def _add(choice: dict[str, Any], piece: dict[str, Any]) -> None:
    """Add a piece to a choice."""
    for name, value in piece.items():
        if value is None:
            continue
        if name == "delta":
            message = choice["message"]
            for part, text in _object(value).items():
                if isinstance(text, str) and part != "role":
                    message[part] = f"{message.get(part) or ''}{text}"
                elif text is not None:
                    message[part] = text
        elif name == "logprobs":
            positions = choice.setdefault("logprobs", {"content": []})["content"]
            positions += _list(_object(value).get("content"))
        else:
            choice[name] = value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no JSON object stands here")
    return cast(dict[str, Any], value)


def _list(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise ValueError("no list stands here")
    return cast(list[Any], value or [])
