"""Makes engines from their names.

Each folder of `deeper.engine` is one kind of engine; `deeper/engine/__init__.py` says what a folder needs. A kind's own
module and its libraries are imported when an engine is made, not before.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from deeper import engine
from deeper.engine.protocol import Engine, Precision
from deeper.engine.server_settings import ServerSettings
from deeper.errors import UserError, choose_from

_folders = [import_module(f"{engine.__name__}.{found.name}") for found in iter_modules(engine.__path__) if found.ispkg]
KINDS: Mapping[str, Any] = {folder.SPECS[0].partition(":")[0]: folder for folder in _folders}
"""The package of each kind, by the part of its name before the colon."""


def make_engine(
    spec: str, adapter: str = "", precision: Precision = "auto", server: ServerSettings | None = None
) -> Engine:
    """Make an engine.

    Args:
        spec: One of
            `embedded` (the small model);
            `embedded:PATH.gguf` (your own model file);
            `embedded:hf:OWNER/NAME/FILE.gguf[@REVISION]` (a model file on the Hugging Face hub);
            `transformers` (the small model on PyTorch, on a GPU if there is one);
            `transformers:FOLDER_OR_NAME` (a folder in Hugging Face format, or a name on its hub);
            `openai:MODEL` (a server with the OpenAI API);
            `scripted` (deterministic nonsense, for tests);
            `scripted:taste` (rules that read the taste of planted users).
        adapter: A trained adapter: its folder, or on a server the name of the LoRA. Empty for none.
        precision: What a model on this machine computes in.
        server: How to call a server; None is OPENAI_BASE_URL with the key OPENAI_API_KEY.

    Raises:
        UserError: No engine has this name, the engine cannot be made, the adapter does not fit it, or the processor
                does not compute in this precision.
    """
    name, colon, rest = spec.partition(":")
    kind = KINDS.get(name)
    if kind is not None and not rest and all(":" in known for known in kind.SPECS):
        raise UserError(f"the engine {name}: needs the name of a model", do=f"write {' or '.join(kind.SPECS)}")
    if kind is None or bool(colon) != bool(rest) or not any(_names(known, rest) for known in kind.SPECS):
        specs = [known for each in KINDS.values() for known in each.SPECS]
        raise UserError(f"there is no engine {spec!r}", do=f"{choose_from(KINDS, name)}, written as {', '.join(specs)}")
    return kind.make(rest, adapter, precision, server or ServerSettings())


def _names(known: str, rest: str) -> bool:
    """Whether one of `SPECS` takes this text after the colon; a word in lower case there stands for itself alone."""
    after = known.partition(":")[2]
    return after == rest if after.islower() else bool(after) == bool(rest)
