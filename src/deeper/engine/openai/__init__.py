"""`openai:MODEL`: a server that speaks the OpenAI API; address and key from OPENAI_BASE_URL and OPENAI_API_KEY."""

import os

from deeper.engine.protocol import Engine

SPECS = ("openai:MODEL",)


def make(rest: str, adapter: str) -> Engine:
    """Make one; the adapter is the name of a LoRA on the server."""
    from deeper.engine.openai.engine import OpenAIEngine

    address, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    return OpenAIEngine(rest, address, key, adapter=adapter)
