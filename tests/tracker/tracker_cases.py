"""Events of invented users for the tests of the tracker."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deeper.domains import Domain, Scale
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.tracker import PersonaTracker

COVES = Domain("coves", "Coves", "cove", Scale(1, 5, 1), unrated=(0.0,))
START = datetime(2024, 5, 1, tzinfo=UTC)


def events(count: int, first: int = 0, user: str = "") -> list[dict[str, Any]]:
    """Events from number `first` on, an hour from one to the next."""
    return [
        {"title": f"{user} Cove {n}".strip(), "rating": 1 + n * 7 % 5, "time": START + timedelta(hours=n)}
        for n in range(first, first + count)
    ]


def tracker(engine: ScriptedEngine | None = None, predictor: ScriptedEngine | None = None, **settings: Any) -> Any:
    engine = engine or ScriptedEngine()
    return PersonaTracker(COVES, policy_engine=engine, predictor_engine=predictor or engine, **settings)


def without_time(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def rows_of(users: Mapping[Any, Iterable[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Events with their users, one user's after the other's."""
    return [{"user": user, **event} for user, events in users.items() for event in events]
