"""The engine `openai:MODEL` calls a server with the OpenAI API.

Its address and the name of the key's variable are settings; without them, OPENAI_BASE_URL and OPENAI_API_KEY are used.
"""

import os

from deeper.engine.protocol import Engine, Precision
from deeper.engine.server_settings import ServerSettings
from deeper.errors import UserError

SPECS = ("openai:MODEL",)


def make(rest: str, adapter: str, precision: Precision, server: ServerSettings) -> Engine:
    """Make the engine; `rest` is a model's name and `adapter` a LoRA's name on the server, which sets the precision.

    Raises:
        UserError: The address, the key or the environment cannot be used.
    """
    del precision
    from deeper.engine.openai.engine import OpenAIEngine

    key = _variable(server.key_variable)
    if not key and server.key_variable != ServerSettings().key_variable:
        what = "this variable holds no key for the server"
        raise UserError(
            what, where=server.key_variable, do="set it, or leave out key_variable for a server without keys"
        )
    return OpenAIEngine(
        rest,
        server.url or _variable("OPENAI_BASE_URL"),
        key,
        adapter=adapter,
        concurrency=server.concurrency,
        timeout_seconds=server.timeout_seconds,
        retries=server.retries,
        extra=server.fields,
        key_variable=server.key_variable,
    )


def _variable(name: str) -> str:
    """A variable's value without the blanks and quotes that files of variables leave around it."""
    return os.environ.get(name, "").strip().strip("\"'").strip()
