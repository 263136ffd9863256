"""The loop for users that come and go: predict the next full window, compare, refine, until no full window is left.

The stages are those of every run (`persona.rounds`), so the same windows and engines give the same personas. Each batch
is kept as soon as it is done: an interruption loses no more than the batch that runs.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from deeper.commands.execution.joined_warnings import joined_warnings
from deeper.persona.recipe import RECIPE
from deeper.persona.update_input import update_row
from deeper.tracker.models import Models
from deeper.tracker.tracked_user import TrackedUser

log = logging.getLogger(__name__)

T = TypeVar("T")
WRITE_ATTEMPTS = 3
"""Calls that try to write a persona before the old text is kept, as a run keeps it."""


@joined_warnings()
def catch_up(users: Sequence[TrackedUser], models: Models) -> None:
    """Process every full window that is new, for all users round by round.

    If a persona cannot be written, its window and the later ones wait for the next call. After `WRITE_ATTEMPTS` calls a
    version with the old text records the failure.

    Args:
        users: They are changed in place.
        models: The policy and the predictor.
    """
    due = [tracked for tracked in users if tracked.is_due]
    failures: list[str] = []
    while due:
        new, known = [one for one in due if not one.versions], [one for one in due if one.versions]
        for batch in _batches([one for one in known if one.prediction() is None], RECIPE.predict_rows):
            _predict(batch, models)
        for method, group in (("initialise", new), (models.updater, known)):
            for batch in _batches(group, RECIPE.write_rows):
                failures += _write(batch, method, models)
        due = [tracked for tracked in due if tracked.is_due and not tracked.attempts]

    if failures:
        [(commonest, _)] = Counter(failures).most_common(1)
        what = "%d personas could not be written, most often: %s (attempts at each before the old text is kept: %d)"
        log.warning(what, len(failures), commonest, WRITE_ATTEMPTS)


def _batches(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _predict(users: Sequence[TrackedUser], models: Models) -> None:
    asked = [(one.versions[-1], {one.next_k: one.windows[one.next_k]}) for one in users]
    for tracked, row in zip(users, models.predict(asked), strict=True):
        tracked.predictions[row["persona_id"], row["k"]] = row


def _write(users: Sequence[TrackedUser], method: str, models: Models) -> list[str]:
    """Write the next persona of each user; returns why calls failed."""
    rows = [
        partial(
            update_row,
            (models.domain.id, one.user),
            method,
            one.next_k,
            one.current,
            one.windows,
            one.predicted_points(),
        )
        for one in users
    ]
    written = models.loop.write(method, rows, [] if method == "initialise" else [method])
    time = datetime.now(UTC)
    failures: list[str] = []
    for tracked, row in zip(users, written.to_pylist(), strict=True):
        if row["failure"]:
            tracked.attempts, tracked.failure = tracked.attempts + 1, row["failure"]
            failures.append(row["failure"])
            if tracked.attempts < WRITE_ATTEMPTS:
                continue
        tracked.versions.append({**row, "time": time})
        tracked.attempts, tracked.failure = 0, ""
    log.info("%s: personas of %d users", method, len(users))
    return failures
