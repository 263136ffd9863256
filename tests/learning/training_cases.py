"""Behaviour to train on, and settings of training runs that take a second or two."""

from pathlib import Path
from typing import Any

from deeper.commands.train.settings import ColdstartSettings, PredictorSettings
from deeper.domains import Domain, Scale
from deeper.learning.examples.user_windows import UserWindows

WORDS = ("Silent", "Golden", "Broken", "Hollow", "Velvet", "Crooked")

COVES = Domain("coves", "Coves", "cove", Scale(1, 5, 1), unrated=(0.0,))
REEFS = Domain("reefs", "Reefs", "reef", Scale(0.5, 5, 0.5))


def user_in(domain: Domain, user: str, ratings: list[list[float]]) -> UserWindows:
    windows = [
        [
            {
                "item": f"{k}-{i}",
                "title": f"Silent {domain.id} {k} {i}",
                "categories": [],
                "rating": rating,
                "time": None,
            }
            for i, rating in enumerate(window)
        ]
        for k, window in enumerate(ratings)
    ]
    return UserWindows(domain, user, windows)


def users_in(domain: Domain, count: int) -> list[UserWindows]:
    return [
        user_in(domain, f"u{n}", [[1.0 + (n + k + i) % 5 for i in range(4)] for k in range(4)]) for n in range(count)
    ]


def write_behaviour(folder: Path, users: int = 24, windows: int = 3) -> Path:
    """An own folder with a five-star domain whose users differ in how generous they are."""
    folder.mkdir()
    lines = ["user,title,rating,time"]
    for user in range(users):
        for i in range(10 * windows):
            title = f"{WORDS[(user + i) % 6]} {WORDS[i % 5]} {i}"
            lines.append(f"user-{user},{title},{min(5, 1 + user % 4 + i % 2)},{1_600_000_000 + 60 * i}")
    (folder / "behaviour.csv").write_text("\n".join([*lines, ""]), "utf-8")
    toml = 'id = "coves"\nname = "Coves"\nitem_noun = "cove"\nscale = [1, 5, 1]\n'
    (folder / "domain.toml").write_text(toml, "utf-8")
    return folder


def predictor_settings(data: Path, base: Path, **changes: Any) -> PredictorSettings:
    return PredictorSettings(**{**_values(data, base), **changes})


def coldstart_settings(data: Path, base: Path, **changes: Any) -> ColdstartSettings:
    # The tiny model's tokens are letters.
    return ColdstartSettings(**{**_values(data, base), "max_persona_tokens": 1000, **changes})


def _values(data: Path, base: Path) -> dict[str, Any]:
    return {
        "data": (str(data),),
        "base": str(base),
        "steps": 6,
        "batch": 2,
        "validation_users": 1,
        "rank": 2,
        "learning_rate": 1e-2,
        "save_every": 2,
        "validate_every": 3,
        "cutoff": 8192,
    }
