"""The engine `scripted` gives deterministic nonsense, for tests and dry runs."""

from deeper.engine.protocol import Engine, Precision
from deeper.engine.server_settings import ServerSettings
from deeper.errors import UserError

SPECS = ("scripted",)


def make(rest: str, adapter: str, precision: Precision, server: ServerSettings) -> Engine:
    """Make the engine; it takes neither `rest` nor an adapter, and any precision.

    Raises:
        UserError: An adapter was given.
    """
    del precision, server
    if adapter:
        raise UserError("the engine scripted takes no adapter", where=adapter, do="leave the adapter out")
    from deeper.engine.scripted.engine import ScriptedEngine

    return ScriptedEngine()
