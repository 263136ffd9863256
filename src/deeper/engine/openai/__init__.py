"""The engine `openai:MODEL` calls a server with the OpenAI API, at OPENAI_BASE_URL with the key OPENAI_API_KEY."""

import os

from deeper.engine.protocol import Engine, Precision

SPECS = ("openai:MODEL",)


def make(rest: str, adapter: str, precision: Precision) -> Engine:
    """Make the engine; `rest` is a model's name and `adapter` a LoRA's name on the server, which sets the precision."""
    del precision
    from deeper.engine.openai.engine import OpenAIEngine

    address, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    return OpenAIEngine(rest, address, key, adapter=adapter)
