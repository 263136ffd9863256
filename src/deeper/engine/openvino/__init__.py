"""The embedded engine: `embedded` (the small model on OpenVINO) and `embedded:PATH.gguf` (your own model file)."""

from pathlib import Path

from deeper.engine.protocol import Engine, Precision

SPECS = ("embedded", "embedded:PATH.gguf")


def make(rest: str, adapter: str, precision: Precision) -> Engine:
    """Make the engine; `rest` is the path of a model file, and `adapter` is a folder."""
    from deeper.engine.openvino.engine import EmbeddedEngine

    return EmbeddedEngine(Path(rest) if rest else None, Path(adapter) if adapter else None, precision)
