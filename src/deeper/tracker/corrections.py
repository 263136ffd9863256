"""Personas in the user's own words."""

from datetime import UTC, datetime

from deeper.behaviour.titles import remove_hidden
from deeper.errors import UserError
from deeper.persona.leaks import find_leaks
from deeper.persona.write import persona_id
from deeper.tracker.catch_up import Reader
from deeper.tracker.tracked_user import Person, Row
from deeper.tracker.versions import BY_USER

CHARACTERS_PER_TOKEN = 6
"""Of a correction, at most: more than English words have."""


def corrected(person: Person, text: str, reader: Reader) -> Row:
    """The version that a user's correction makes; it has seen what the version before has seen.

    Args:
        person: The user.
        text: The persona in the user's words; hidden characters and needless blanks are removed.
        reader: Gives domain and length limit.

    Raises:
        UserError: The user has no persona yet, or the text is empty or too long.
    """
    where, before = f"user {person.user!r}", person.current
    if before is None:
        raise UserError("there is no persona to correct yet", where=where, do="wait for the first whole window")
    clean = " ".join(remove_hidden(text).split())
    limit = CHARACTERS_PER_TOKEN * reader.writer.max_tokens
    if not clean:
        raise UserError("the correction is empty", where=where, do="write a text, or forget the user")
    if len(clean) > limit:
        raise UserError(
            f"the correction has {len(clean)} characters, and {limit} can be read",
            where=where,
            do="write less, or start with a higher max_persona_tokens",
        )
    titles = {event["title"] for event in person.events}
    row: Row = {
        "user": person.user,
        "domain": reader.domain.id,
        "method": BY_USER,
        "k": before["k"],
        "stage": "final",
        "text": clean,
        "parent": before["id"],
        "engine": "",
        "prompt_version": "",
        "seed": 0,
    }
    found = find_leaks(clean, titles)
    return {"id": persona_id(row), **row, "tokens": 0, "leaks": found, "failure": "", "time": datetime.now(UTC)}
