"""Engines by name; nothing heavy is imported before an engine is made."""

import os
from pathlib import Path

from deeper.engine.protocol import Engine
from deeper.errors import UserError

KINDS = (
    "embedded",
    "embedded:PATH.gguf",
    "transformers",
    "transformers:FOLDER_OR_NAME",
    "openai:MODEL",
    "scripted",
)


def make_engine(spec: str, adapter: str = "") -> Engine:
    """Make an engine.

    Args:
        spec: `embedded` (the small model), `embedded:PATH.gguf` (an own model file), `transformers` (the
            small model on torch, with a GPU if there is one), `transformers:FOLDER_OR_NAME` (a folder in the format
            of Hugging Face, or a name on its hub), `openai:MODEL` (a server that speaks the OpenAI API; its address
            and key from OPENAI_BASE_URL and OPENAI_API_KEY), or `scripted` (deterministic nonsense, for tests).
        adapter: A trained adapter to use with it: a folder, or on a server the name of a LoRA.

    Raises:
        UserError: There is no such engine, or it cannot be made, or the adapter does not fit it.
    """
    kind, _, rest = spec.partition(":")
    folder = Path(adapter) if adapter else None
    if kind == "embedded" and (rest or spec == kind):
        from deeper.engine.embedded import EmbeddedEngine

        return EmbeddedEngine(Path(rest) if rest else None, folder)
    if kind == "transformers" and (rest or spec == kind):
        try:
            from deeper.engine.transformers_engine import TransformersEngine
        except ImportError as error:
            raise UserError(
                f"the engine transformers needs more than is installed ({error})",
                do='install PyTorch, then the extra: pip install "deeper-persona[train]"',
            ) from error
        return TransformersEngine(rest or None, folder)
    if kind == "openai" and rest:
        from deeper.engine.openai_engine import OpenAIEngine

        address, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
        return OpenAIEngine(rest, address, key, adapter=adapter)
    if spec == "scripted":
        if adapter:
            raise UserError("the engine scripted takes no adapter", where=adapter, do="leave the adapter out")
        from deeper.engine.scripted import ScriptedEngine

        return ScriptedEngine()
    raise UserError(f"there is no engine {spec!r}", do=f"use one of {', '.join(KINDS)}")
