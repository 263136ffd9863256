"""A tracked user: events, persona versions and predictions, in memory and as tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import BEHAVIOUR, ITEM, TIME
from deeper.persona.schema import PERSONA, PREDICTION
from deeper.tracker.events import Event

Row = dict[str, Any]

VERSION = pa.schema([*PERSONA, pa.field("time", TIME, nullable=False)])
"""A version of a persona, and when it was written. `method` is "user" for a correction by the user. `k` is the last
window that the version has seen. The rows of a user are in the order of the versions."""

WAITING = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("failure", pa.string(), nullable=False),
    ]
)
"""Users whose next window failed `attempts` times, and the last `failure`."""

SCHEMAS: Mapping[str, pa.Schema] = {
    "behaviour": BEHAVIOUR,
    "versions": VERSION,
    "predictions": PREDICTION,
    "waiting": WAITING,
}
"""The tables of a saved tracker, by name."""


@dataclass
class TrackedUser:
    """A user with all that a tracker keeps of it.

    Attributes:
        user: The id.
        events: Rows of `behaviour.schema.ITEM` in time order; ten of them make a window.
        versions: The persona's versions, rows of `VERSION`.
        predictions: Calibrated `PREDICTION` rows by persona id and window number.
        attempts: How often the next window has failed.
        failure: Why it failed the last time.
    """

    user: str
    events: list[Row] = field(default_factory=list[Row])
    versions: list[Row] = field(default_factory=list[Row])
    predictions: dict[tuple[str, int], Row] = field(default_factory=dict[tuple[str, int], Row])
    attempts: int = 0
    failure: str = ""

    @property
    def observed(self) -> list[Event]:
        """The events as they were observed, with clean texts."""
        return [
            Event(row["title"], row["rating"], row["time"], row["item"], tuple(row["categories"]))
            for row in self.events
        ]

    @property
    def windows(self) -> list[list[Row]]:
        """The full windows, from W_0 on."""
        size = RECIPE.window_size
        return [self.events[k * size : (k + 1) * size] for k in range(len(self.events) // size)]

    @property
    def current(self) -> Row | None:
        """The last version; None before the first window is full."""
        return self.versions[-1] if self.versions else None

    @property
    def next_k(self) -> int:
        """The number of the window to process next."""
        return self.versions[-1]["k"] + 1 if self.versions else 0

    @property
    def is_due(self) -> bool:
        """Whether that window is full."""
        return len(self.events) >= (self.next_k + 1) * RECIPE.window_size

    @property
    def in_window(self) -> int:
        """The number of events that wait for their window to be full."""
        return len(self.events) % RECIPE.window_size

    def predicted_points(self) -> list[float] | None:
        """The predicted ratings of the next window; None if there are none or the prediction failed."""
        prediction = self.prediction()
        return prediction["points"] if prediction and not prediction["failure"] else None

    def prediction(self) -> Row | None:
        """Return the prediction of the next window from the current persona, if there is one."""
        return self.predictions.get((self.versions[-1]["id"], self.next_k)) if self.versions else None


def to_tables(users: Iterable[TrackedUser], domain: str) -> dict[str, pa.Table]:
    """Return all users as tables of `SCHEMAS`."""
    rows: dict[str, list[Row]] = {name: [] for name in SCHEMAS}
    for tracked in users:
        keys = {"user": tracked.user, "domain": domain}
        rows["behaviour"] += [{**keys, **event, "position": i} for i, event in enumerate(tracked.events)]
        rows["versions"] += tracked.versions
        rows["predictions"] += tracked.predictions.values()
        if tracked.attempts:
            rows["waiting"].append({"user": tracked.user, "attempts": tracked.attempts, "failure": tracked.failure})
    return {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in SCHEMAS.items()}


def from_tables(tables: Mapping[str, pa.Table]) -> dict[str, TrackedUser]:
    """Return the users that `to_tables` wrote, by id."""
    users: dict[str, TrackedUser] = {}
    for row in tables["behaviour"].to_pylist():
        tracked = users.setdefault(row["user"], TrackedUser(row["user"]))
        tracked.events.append({name: row[name] for name in ITEM.names})
    for row in tables["versions"].to_pylist():
        users[row["user"]].versions.append(row)
    for row in tables["predictions"].to_pylist():
        users[row["user"]].predictions[row["persona_id"], row["k"]] = row
    for row in tables["waiting"].to_pylist():
        users[row["user"]].attempts, users[row["user"]].failure = row["attempts"], row["failure"]
    return users
