"""What a tracker knows: each user's events, persona versions, predictions, and the window that waits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from deeper.behaviour.schema import BEHAVIOUR, TIME
from deeper.behaviour.windows import WINDOW_SIZE
from deeper.persona.schema import PERSONA, PREDICTION

Row = dict[str, Any]

VERSION = pa.schema([*PERSONA, pa.field("time", TIME, nullable=False)])
"""A version of a persona, and when it was written. `method` is "user" for a correction by the user; `k` is the last
window that it has seen. A user's rows are in the order of the versions."""

WAITING = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("failure", pa.string(), nullable=False),
    ]
)
"""Users whose next window was tried `attempts` times in vain, and the last `failure`."""

SCHEMAS: Mapping[str, pa.Schema] = {
    "behaviour": BEHAVIOUR,
    "versions": VERSION,
    "predictions": PREDICTION,
    "waiting": WAITING,
}
"""The tables of a saved tracker, by name."""


@dataclass
class Person:
    """One user.

    Attributes:
        user: The id.
        events: In time order, rows of `behaviour.schema.ITEM`; ten of them make a window.
        versions: Of the persona, rows of `VERSION`.
        predictions: Calibrated `PREDICTION` rows by persona and window.
        attempts: How often the next window was tried in vain.
        failure: Why, the last time.
    """

    user: str
    events: list[Row] = field(default_factory=list[Row])
    versions: list[Row] = field(default_factory=list[Row])
    predictions: dict[tuple[str, int], Row] = field(default_factory=dict[tuple[str, int], Row])
    attempts: int = 0
    failure: str = ""

    @property
    def windows(self) -> list[list[Row]]:
        """The whole windows, from W_0 on."""
        return [self.events[k * WINDOW_SIZE : (k + 1) * WINDOW_SIZE] for k in range(len(self.events) // WINDOW_SIZE)]

    @property
    def current(self) -> Row | None:
        """The last version; None before the first window is whole."""
        return self.versions[-1] if self.versions else None

    @property
    def next_k(self) -> int:
        """The window to read next."""
        return self.versions[-1]["k"] + 1 if self.versions else 0

    @property
    def is_due(self) -> bool:
        """Whether that window is whole."""
        return len(self.events) >= (self.next_k + 1) * WINDOW_SIZE

    @property
    def in_window(self) -> int:
        """Events that wait for their window to be whole."""
        return len(self.events) % WINDOW_SIZE

    def prediction(self) -> Row | None:
        """The prediction of the next window from the current persona, if it was made."""
        return self.predictions.get((self.versions[-1]["id"], self.next_k)) if self.versions else None


def to_tables(people: Iterable[Person], domain: str) -> dict[str, pa.Table]:
    """All that is known, as tables of `SCHEMAS`."""
    rows: dict[str, list[Row]] = {name: [] for name in SCHEMAS}
    for person in people:
        keys = {"user": person.user, "domain": domain}
        rows["behaviour"] += [{**keys, **event, "position": i} for i, event in enumerate(person.events)]
        rows["versions"] += person.versions
        rows["predictions"] += person.predictions.values()
        if person.attempts:
            rows["waiting"].append({"user": person.user, "attempts": person.attempts, "failure": person.failure})
    return {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in SCHEMAS.items()}


def from_tables(tables: Mapping[str, pa.Table]) -> dict[str, Person]:
    """What `to_tables` was given, by user."""
    people: dict[str, Person] = {}
    for row in tables["behaviour"].to_pylist():
        person = people.setdefault(row["user"], Person(row["user"]))
        person.events.append({name: row[name] for name in ("item", "title", "rating", "time")})
    for row in tables["versions"].to_pylist():
        people[row["user"]].versions.append(row)
    for row in tables["predictions"].to_pylist():
        people[row["user"]].predictions[row["persona_id"], row["k"]] = row
    for row in tables["waiting"].to_pylist():
        people[row["user"]].attempts, people[row["user"]].failure = row["attempts"], row["failure"]
    return people
