"""A hash of code, so that results of older code are not used again."""

import inspect
from collections.abc import Callable
from hashlib import blake2b
from types import ModuleType
from typing import Any


def code_hash(*things: ModuleType | Callable[..., Any]) -> str:
    """Return 16 hex digits that change when the modules of the given functions or modules change."""
    modules = {inspect.getmodule(thing) for thing in things}
    digest = blake2b(digest_size=8)
    for source in sorted(inspect.getsource(module) for module in modules if module):
        digest.update(source.encode())
    return digest.hexdigest()
