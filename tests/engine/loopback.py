"""An OpenAI-like server on loopback that misbehaves as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One response: a JSON body (or raw text), a status, headers, a delay; `cut` closes without an answer."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    cut: bool = False


@dataclass
class Loopback:
    """The running server.

    Attributes:
        url: Base address for the engine.
        bodies: Requests so far, in order of arrival.
        times: When they arrived, in seconds.
        most_at_once: Most requests that were ever in progress together.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0


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


@contextmanager
def serve(respond: Callable[[dict[str, Any], int], Reply], models: Reply | None = None) -> Iterator[Loopback]:
    """Run a server.

    Args:
        respond: Called with a request's body and its number, from 0.
        models: The answer to a question for the list of models; None for a server without one.
    """
    state, lock = Loopback(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(state.bodies)
                state.bodies.append(body)
                state.times.append(time.monotonic())
                state.at_once += 1
                state.most_at_once = max(state.most_at_once, state.at_once)
            reply = respond(body, number)
            time.sleep(reply.delay_seconds)
            with lock:
                state.at_once -= 1
            self.answer(reply)

        def do_GET(self) -> None:
            self.answer(models or Reply({"error": "not found"}, 404))

        def answer(self, reply: Reply) -> None:
            if reply.cut:
                self.close_connection = True
                return
            raw = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            data = raw.encode()
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except BrokenPipeError:
                self.close_connection = True  # the client did not wait, as it should

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
