"""The embedded engine: `embedded` (the small model on OpenVINO) and `embedded:PATH.gguf` (your own model file)."""

from pathlib import Path

from deeper.engine.protocol import Engine, Precision
from deeper.engine.server_settings import ServerSettings

SPECS = ("embedded", "embedded:PATH.gguf")


def make(rest: str, adapter: str, precision: Precision, server: ServerSettings) -> Engine:
    """Make the engine; `rest` is the path of a model file, and `adapter` is a folder."""
    del server
    from deeper.engine.openvino.engine import EmbeddedEngine

    return EmbeddedEngine(Path(rest) if rest else None, Path(adapter) if adapter else None, precision)
