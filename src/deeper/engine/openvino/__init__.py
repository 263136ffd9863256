"""`embedded` (the small model on OpenVINO) and `embedded:PATH.gguf` (a model file of your own)."""

from pathlib import Path

from deeper.engine.protocol import Engine

SPECS = ("embedded", "embedded:PATH.gguf")


def make(rest: str, adapter: str) -> Engine:
    """Make one; the adapter is a folder."""
    from deeper.engine.openvino.engine import EmbeddedEngine

    return EmbeddedEngine(Path(rest) if rest else None, Path(adapter) if adapter else None)
