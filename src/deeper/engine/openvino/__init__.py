"""The embedded engine: the small model on OpenVINO, or another one from a GGUF file here or on the Hugging Face hub."""

import os
from pathlib import Path

from deeper.engine.protocol import Engine, Precision
from deeper.engine.server_settings import ServerSettings
from deeper.storage.hub import fetch_gguf

SPECS = ("embedded", "embedded:PATH.gguf", "embedded:hf:OWNER/NAME/FILE.gguf[@REVISION]")


def make(rest: str, adapter: str, precision: Precision, server: ServerSettings) -> Engine:
    """Make the engine; `rest` is the path of a model file, or `hf:` and its place; `adapter` is a folder."""
    del server
    from deeper.engine.openvino.engine import EmbeddedEngine

    return EmbeddedEngine(_model_file(rest), Path(adapter) if adapter else None, precision)


def _model_file(rest: str) -> Path | None:
    if rest.startswith("hf:"):
        return fetch_gguf(rest.removeprefix("hf:"))
    return Path(os.path.expanduser(rest)) if rest else None
