"""Which models a server says it has."""

from typing import Any, cast

import openai

from deeper.engine.openai.calls import Server
from deeper.errors import UserError


async def list_models(server: Server, client: openai.AsyncOpenAI) -> list[dict[str, Any]]:
    """Return the models that a server lists, each with an `id`; empty if it has no such list.

    Raises:
        UserError: The server cannot be reached, or refuses the key.
    """
    try:
        response = await client.models.with_raw_response.list()
        listed: Any = response.http_response.json()
    except openai.APIConnectionError:
        raise server.unreachable() from None
    except openai.APIStatusError as error:
        if error.status_code in (401, 403):
            what = f"the server refuses the key: {server.reason(error)}"
            raise UserError(what, where=server.address, do="use a key of this server") from None
        return []
    except ValueError:  # no JSON
        return []
    cards = cast(dict[str, Any], listed).get("data") if isinstance(listed, dict) else listed
    if not isinstance(cards, list):
        return []
    found = [cast(dict[str, Any], card) for card in cast(list[Any], cards) if isinstance(card, dict)]
    return [card for card in found if isinstance(card.get("id"), str)]
