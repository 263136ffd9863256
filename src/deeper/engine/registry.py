"""Engines by name; nothing heavy is imported before an engine is made."""

import os
from pathlib import Path

from deeper.engine.protocol import Engine
from deeper.errors import UserError

KINDS = ("embedded", "embedded:PATH.gguf", "openai:MODEL", "scripted")


def make_engine(spec: str) -> Engine:
    """Make an engine.

    Args:
        spec: `embedded` (the small model), `embedded:PATH.gguf` (an own model file), `openai:MODEL` (a server
            that speaks the OpenAI API; its address and key from OPENAI_BASE_URL and OPENAI_API_KEY), or
            `scripted` (deterministic nonsense, for tests).

    Raises:
        UserError: There is no such engine, or it cannot be made.
    """
    kind, _, rest = spec.partition(":")
    if kind == "embedded" and (rest or spec == kind):
        from deeper.engine.embedded import EmbeddedEngine

        return EmbeddedEngine(Path(rest) if rest else None)
    if kind == "openai" and rest:
        from deeper.engine.openai_engine import OpenAIEngine

        return OpenAIEngine(rest, os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY"))
    if spec == "scripted":
        from deeper.engine.scripted import ScriptedEngine

        return ScriptedEngine()
    raise UserError(f"there is no engine {spec!r}", do=f"use one of {', '.join(KINDS)}")
