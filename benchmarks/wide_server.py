"""A scripted server with the OpenAI API: a few slots, and the same latency for each answer.

    python benchmarks/wide_server.py SLOTS SECONDS      # prints its address

Requests beyond its slots wait in the order in which they came.
"""

import asyncio
import json
import re
import sys
from typing import Any

TOKENS = 20
USAGE = {"prompt_tokens": 100, "completion_tokens": TOKENS}


def response(body: dict[str, Any]) -> bytes:
    """A chat completion, as a stream of events if that is asked for."""
    text = "word " * TOKENS
    if body.get("stream"):
        piece = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        events = [{"choices": [piece]}, {"choices": [], "usage": USAGE}]
        content, kind = (
            "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n",
            "event-stream",
        )
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        fields = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
        content, kind = json.dumps({**fields, "choices": [choice], "usage": USAGE}), "json"
    place = "text" if kind == "event-stream" else "application"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {place}/{kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return (head + content).encode()


async def main(slots: int, seconds: float) -> None:
    """Serve until the process is ended."""
    free = asyncio.Semaphore(slots)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
                async with free:
                    await asyncio.sleep(seconds)
                writer.write(response(body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()  # the client has left

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
