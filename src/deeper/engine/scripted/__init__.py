"""The engine `scripted` gives deterministic nonsense, for tests and dry runs; `scripted:taste` reads planted tastes."""

from deeper.engine.protocol import Engine, Precision
from deeper.engine.server_settings import ServerSettings
from deeper.errors import UserError

SPECS = ("scripted", "scripted:taste")


def make(rest: str, adapter: str, precision: Precision, server: ServerSettings) -> Engine:
    """Make the engine; it takes no adapter, and any precision. `rest` is empty or "taste".

    Raises:
        UserError: An adapter was given.
    """
    del precision, server
    if adapter:
        raise UserError("the engine scripted takes no adapter", where=adapter, do="leave the adapter out")
    if rest:
        from deeper.engine.scripted.taste import TasteEngine

        return TasteEngine()
    from deeper.engine.scripted.engine import ScriptedEngine

    return ScriptedEngine()
