"""`transformers` (the small model on torch, with a GPU if there is one) and `transformers:FOLDER_OR_NAME`.

The latter is a folder in the format of Hugging Face, or a name on its hub.
"""

from pathlib import Path

from deeper.engine.protocol import Engine
from deeper.errors import UserError

SPECS = ("transformers", "transformers:FOLDER_OR_NAME")


def make(rest: str, adapter: str) -> Engine:
    """Make one; the adapter is a folder.

    Raises:
        UserError: Torch or the extra is not installed.
    """
    try:
        from deeper.engine.torch.engine import TransformersEngine
    except ImportError as error:
        raise UserError(
            f"the engine transformers needs more than is installed ({error})",
            do='install PyTorch, then the extra: pip install "deeper-persona[train]"',
        ) from error
    return TransformersEngine(rest or None, Path(adapter) if adapter else None)
