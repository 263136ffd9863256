"""Replace a persona by the user's own words."""

from datetime import UTC, datetime

from deeper.behaviour.titles import remove_hidden
from deeper.errors import UserError
from deeper.persona.leaks import find_leaks
from deeper.persona.write import persona_id
from deeper.tracker.models import Models
from deeper.tracker.tracked_user import Row, TrackedUser
from deeper.tracker.versions import BY_USER

MAX_CHARACTERS_PER_TOKEN = 6
"""Limits a correction to this many characters for each token that a persona may have; English needs fewer."""


def corrected(tracked: TrackedUser, text: str, models: Models) -> Row:
    """Return the version that a user's correction makes. It has seen the same windows as the version before.

    Args:
        tracked: The user.
        text: The persona in the user's words. Hidden characters and extra white space are removed.
        models: Gives the domain and the length limit.

    Raises:
        UserError: The user has no persona yet, or the text is empty or too long.
    """
    where, before = f"user {tracked.user!r}", tracked.current
    if before is None:
        raise UserError("there is no persona to correct yet", where=where, do="observe ten events of this user first")
    clean = " ".join(remove_hidden(text).split())
    limit = MAX_CHARACTERS_PER_TOKEN * models.loop.writer.max_tokens
    if not clean:
        raise UserError("the correction is empty", where=where, do="write a text; to erase a user, call forget()")
    if len(clean) > limit:
        raise UserError(
            f"the correction has {len(clean)} characters; the limit is {limit}",
            where=where,
            do="shorten it, or make the tracker with a higher max_persona_tokens",
        )
    titles = {event["title"] for event in tracked.events}
    row: Row = {
        "user": tracked.user,
        "domain": models.domain.id,
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
