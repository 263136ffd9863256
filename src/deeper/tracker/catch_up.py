"""Rounds over many users at once: predict the next whole window, compare, refine, until no whole window is left.

The stages are those of a run (`persona.stages`, `persona.predict`), so that the same windows and engine give the same
personas. What a shard has given is kept at once: an interruption loses no more than the shard that runs.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa

from deeper.domains import Domain
from deeper.engine import Engine
from deeper.persona.calibration import Calibration
from deeper.persona.predict import PREDICT_INPUT, PREDICT_ROWS, predict, predict_row
from deeper.persona.schema import PREDICTION
from deeper.persona.stages import WRITE_ROWS, initialise, update
from deeper.persona.update_input import UPDATE_INPUT, update_row
from deeper.persona.write import Writer
from deeper.tracker.tracked_user import TrackedUser

log = logging.getLogger(__name__)

T = TypeVar("T")
ATTEMPTS = 3
"""Calls in which a persona that could not be written is tried, before the old text stays, as in a run."""


@dataclass(frozen=True)
class Reader:
    """A predictor: the engine that reads personas, and how.

    Attributes:
        engine: The engine.
        writer: Gives prompts and seed.
        readout: How predictions are read.
        calibration: The maps.
        domain: Of all users.
    """

    engine: Engine
    writer: Writer
    readout: str
    calibration: Calibration
    domain: Domain

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Calibrated `PREDICTION` rows of `PREDICT_INPUT` rows."""
        return self.calibration.calibrate(self.read_raw(rows), {self.domain.id: self.domain}).to_pylist()

    def read_raw(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """The same, not calibrated."""
        domains, writer = {self.domain.id: self.domain}, self.writer
        tables = [
            predict(pa.Table.from_pylist(shard, schema=PREDICT_INPUT), self.engine, writer.prompts, domains,
                    self.readout, writer.seed)
            for shard in shards(rows, PREDICT_ROWS)
        ]  # fmt: skip
        return pa.concat_tables([PREDICTION.empty_table(), *tables])


def catch_up(people: Sequence[TrackedUser], reader: Reader) -> None:
    """Read every whole window that has not been read, for all users round by round.

    A window whose persona cannot be written waits, with what comes behind it, for the next call; after `ATTEMPTS` calls
    the failure is recorded in a version that keeps the old text.

    Args:
        people: Users; changed in place.
        reader: The predictor, with the policy beside it.
    """
    due = [person for person in people if person.is_due]
    while due:
        unpredicted = [person for person in due if person.versions and person.prediction() is None]
        for shard in shards(unpredicted, PREDICT_ROWS):
            _predict(shard, reader)
        for function, group in (
            (initialise, [person for person in due if not person.versions]),
            (update, [person for person in due if person.versions]),
        ):
            for shard in shards(group, WRITE_ROWS):
                _write(shard, function, reader)
        due = [person for person in due if person.is_due and not person.attempts]


def shards(rows: Sequence[T], size: int) -> Iterator[list[T]]:
    """The rows, `size` at a time."""
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


def _predict(people: Sequence[TrackedUser], reader: Reader) -> None:
    rows = [predict_row(p.versions[-1], {p.next_k: p.windows[p.next_k]}) for p in people]
    for person, row in zip(people, reader.read(rows), strict=True):
        person.predictions[row["persona_id"], row["k"]] = row


def _write(
    people: Sequence[TrackedUser],
    function: Callable[[pa.Table, Writer, Mapping[str, Domain]], pa.Table],
    reader: Reader,
) -> None:
    domain = reader.domain
    method = "initialise" if function is initialise else "refine"
    rows: list[dict[str, Any]] = []
    for person in people:
        prediction = person.prediction()
        points = prediction["points"] if prediction and not prediction["failure"] else None
        key = (domain.id, person.user)
        rows.append(update_row(key, method, person.next_k, person.current, person.windows, points))
    written = function(pa.Table.from_pylist(rows, schema=UPDATE_INPUT), reader.writer, {domain.id: domain})
    time = datetime.now(UTC)
    for person, row in zip(people, written.to_pylist(), strict=True):
        if row["failure"]:
            person.attempts, person.failure = person.attempts + 1, row["failure"]
            log.warning("W_%d of user %r, attempt %d: %s", row["k"], person.user, person.attempts, row["failure"])
            if person.attempts < ATTEMPTS:
                continue
        person.versions.append({**row, "time": time})
        person.attempts, person.failure = 0, ""
    log.info("%s: personas of %d users", method, len(people))
