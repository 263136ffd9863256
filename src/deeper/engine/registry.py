"""Engines by name; nothing heavy is imported before an engine is made."""

from deeper.engine.kinds import KINDS
from deeper.engine.protocol import Engine
from deeper.errors import UserError


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
    name, colon, rest = spec.partition(":")
    if name not in KINDS or not KINDS[name].accepts(colon, rest):
        specs = [spec for kind in KINDS.values() for spec in kind.specs]
        raise UserError(f"there is no engine {spec!r}", do=f"use one of {', '.join(specs)}")
    return KINDS[name].make(rest, adapter)
