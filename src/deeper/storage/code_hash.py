"""A hash of the code that shapes a file."""

import ast
import hashlib
import inspect


def code_hash(*things: object) -> str:
    """Hash the source of modules, or of the modules that functions are defined in, without comments and layout.

    Returns:
        64 hex digits.
    """
    modules = [inspect.getmodule(thing) for thing in things]
    sources = [ast.unparse(ast.parse(inspect.getsource(module))) for module in modules if module is not None]
    return hashlib.sha256(repr(sources).encode()).hexdigest()
