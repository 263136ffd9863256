"""Engines by name; nothing heavy is imported before an engine is made.

Each folder of `deeper.engine` holds one kind of engine. Its `__init__.py` has `SPECS`, the ways to name its engines
("NAME", "NAME:WHAT"), and a function `make(rest, adapter)`, where `rest` stands behind the colon ("" without one) and
`adapter` is "" without one. A folder that you add is an engine of every command.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from deeper import engine
from deeper.engine.protocol import Engine
from deeper.errors import UserError

_kinds = [import_module(f"{engine.__name__}.{found.name}") for found in iter_modules(engine.__path__) if found.ispkg]
KINDS: Mapping[str, Any] = {kind.SPECS[0].partition(":")[0]: kind for kind in _kinds}
"""The module of each kind, by the name before the colon."""


def make_engine(spec: str, adapter: str = "") -> Engine:
    """Make an engine.

    Args:
        spec: `embedded` (the small model), `embedded:PATH.gguf` (your own model file), `transformers` (the small model
            on torch, on a GPU if there is one), `transformers:FOLDER_OR_NAME` (a folder in the format of Hugging Face,
            or a name on its hub), `openai:MODEL` (a server that speaks the OpenAI API; address and key come from
            OPENAI_BASE_URL and OPENAI_API_KEY), or `scripted` (deterministic nonsense, for tests).
        adapter: A trained adapter to use with it: a folder, or on a server the name of a LoRA.

    Raises:
        UserError: There is no such engine, it cannot be made, or the adapter does not fit it.
    """
    name, colon, rest = spec.partition(":")
    kind = KINDS.get(name)
    if kind is None or bool(colon) != bool(rest) or not any((":" in known) == bool(rest) for known in kind.SPECS):
        specs = [known for each in KINDS.values() for known in each.SPECS]
        raise UserError(f"there is no engine {spec!r}", do=f"use one of {', '.join(specs)}")
    return kind.make(rest, adapter)
