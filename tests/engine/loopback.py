"""An OpenAI-like server on loopback that misbehaves as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One response.

    Attributes:
        body: A JSON body or raw text. A chat completion is streamed if that is asked for.
        status: The HTTP status.
        headers: More headers.
        delay_seconds: Time before the first byte.
        piece_seconds: Time before each piece of a stream.
        cut: Close the connection without an answer, or in a stream after its second piece.
        whole: Answer with one JSON document, even if a stream is asked for.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    piece_seconds: float = 0.0
    cut: bool = False
    whole: bool = False


@dataclass
class Loopback:
    """The running server.

    Attributes:
        url: Base address for the engine.
        bodies: Requests so far, in order of arrival.
        times: When they arrived, in seconds.
        most_at_once: Most requests that were ever in progress together.
        dropped: Requests whose client did not wait for the answer.
        ports: The ports that clients have called from, one for each connection.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    dropped: int = 0
    ports: set[int] = field(default_factory=set)


def completion(*texts: str | None, logprobs: Any = None, tokens: int = 6) -> dict[str, Any]:
    """A chat completion with these texts."""
    return {
        "id": "x",
        "object": "chat.completion",
        "choices": [
            {
                "index": i,
                "message": {"role": "assistant", "content": text},
                "logprobs": logprobs,
                "finish_reason": "stop",
            }
            for i, text in enumerate(texts)
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": tokens,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    }


def pieces(whole: dict[str, Any], with_usage: bool) -> list[dict[str, Any]]:
    """A chat completion as the events of a stream: a piece for each character or position, the choices in turns."""
    by_choice: list[list[dict[str, Any]]] = []
    for choice in whole["choices"]:
        index, message = choice["index"], choice["message"]
        positions = (choice["logprobs"] or {}).get("content") or []
        text = message["content"] or ""
        shown = [position["token"] for position in positions] if len(positions) > 1 else text
        parts: list[dict[str, Any]] = [{"delta": {"role": "assistant", "content": None}}]
        for number, part in enumerate(shown):
            at = positions[number : number + 1]
            parts.append({"delta": {"content": part}, "logprobs": {"content": at} if at else None})
        for name, value in message.items():
            parts += [] if name in ("role", "content") else [{"delta": {name: part}} for part in value]
        parts.append({"delta": {}, "finish_reason": choice["finish_reason"]})
        by_choice.append([{"index": index, **part} for part in parts])
    events: list[dict[str, Any]] = []
    for turn in range(max(map(len, by_choice))):
        events += [{"id": "x", "choices": [parts[turn]], "usage": None} for parts in by_choice if turn < len(parts)]
    return [*events, {"id": "x", "choices": [], "usage": whole["usage"]}] if with_usage else events


def as_events(events: list[dict[str, Any]]) -> list[str]:
    """The text of a stream, piece by piece."""
    return [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]


@contextmanager
def serve(
    respond: Callable[[dict[str, Any], int], Reply], slots: int = 0, models: Reply | None = None
) -> Iterator[Loopback]:
    """Run a server.

    Args:
        respond: Called with a request's body and its number, from 0.
        slots: Requests that it works on at once, in the order of arrival; the others wait. 0 is any number.
        models: The answer to a question for the list of models; None for a server without one.
    """
    state, lock = Loopback(), threading.Lock()
    turns = Turns(slots) if slots else None

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(state.bodies)
                state.bodies.append(body)
                state.times.append(time.monotonic())
                state.ports.add(self.client_address[1])
                state.at_once += 1
                state.most_at_once = max(state.most_at_once, state.at_once)
                turn = turns.take() if turns else nullcontext()
            try:
                with turn:
                    self.answer(body, respond(body, number))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client did not wait
                with lock:
                    state.dropped += 1
            finally:
                with lock:
                    state.at_once -= 1

        def do_GET(self) -> None:
            self.answer({}, models or Reply({"error": "not found"}, 404))

        def answer(self, body: dict[str, Any], reply: Reply) -> None:
            time.sleep(reply.delay_seconds)
            is_completion = isinstance(reply.body, dict) and reply.status == 200 and bool(reply.body.get("choices"))
            if body.get("stream") and is_completion and not reply.whole and isinstance(reply.body["choices"], list):
                with_usage = (body.get("stream_options") or {}).get("include_usage", False)
                self.stream(as_events(pieces(reply.body, with_usage)), reply)
            elif reply.cut:
                self.close_connection = True
            else:
                raw = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                self.head(reply, "application/json", {"Content-Length": str(len(raw.encode()))})
                self.wfile.write(raw.encode())

        def stream(self, parts: list[str], reply: Reply) -> None:
            self.head(reply, "text/event-stream", {"Transfer-Encoding": "chunked"})
            for number, part in enumerate(parts):
                if reply.cut and number == 2:
                    self.close_connection = True
                    return
                time.sleep(reply.piece_seconds)
                self.chunk(part)
            self.chunk("")

        def head(self, reply: Reply, content: str, more: dict[str, str]) -> None:
            self.send_response(reply.status)
            for name, value in {"Content-Type": content, **more, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def chunk(self, text: str) -> None:
            data = text.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.request_queue_size = 128
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Turns:
    """Lets a few threads through at once, in the order in which they came."""

    def __init__(self, slots: int) -> None:
        self._free, self._waiting, self._lock = slots, list[threading.Event](), threading.Lock()

    def take(self) -> "Turn":
        """A place in the queue."""
        event = threading.Event()
        with self._lock:
            self._waiting.append(event)
            self._admit()
        return Turn(self, event)

    def leave(self) -> None:
        """Let the next one through."""
        with self._lock:
            self._free += 1
            self._admit()

    def _admit(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._waiting.pop(0).set()


@dataclass
class Turn:
    """A place in a queue: entering waits for it."""

    turns: Turns
    event: threading.Event

    def __enter__(self) -> None:
        self.event.wait()

    def __exit__(self, *_: object) -> None:
        self.turns.leave()
