"""The engine `transformers` runs the small model on PyTorch, on a GPU if there is one.

`transformers:FOLDER_OR_NAME` runs a model in Hugging Face format from a folder or from the hub.
"""

from pathlib import Path

from deeper.engine.protocol import Engine, Precision
from deeper.engine.server_settings import ServerSettings
from deeper.errors import UserError, install_extra

SPECS = ("transformers", "transformers:FOLDER_OR_NAME")


def make(rest: str, adapter: str, precision: Precision, server: ServerSettings) -> Engine:
    """Make the engine; `rest` is a model's folder or hub name, and `adapter` is a folder.

    Raises:
        UserError: PyTorch or the extra [train] is not installed.
    """
    del server
    try:
        from deeper.engine.torch.engine import TransformersEngine
    except ImportError as error:
        raise UserError(
            f"the engine transformers needs a package that is not installed ({error})",
            do=install_extra("train"),
        ) from error
    return TransformersEngine(rest or None, Path(adapter) if adapter else None, precision=precision)
