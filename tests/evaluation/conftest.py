"""Tiny windows, personas and predictions, made by hand; and runs on planted users."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.schema import WINDOW
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.domains import Domain, Scale
from deeper.persona.schema import PERSONA, PREDICTION

STARS = Domain("stars", "Stars", "pebble", Scale(1, 5, 1), unrated=(0.0,), seen=True)
HALVES = Domain("halves", "Halves", "shell", Scale(0.5, 5, 0.5), seen=False)


class Tables:
    """Builders of the tables, for the tests to spell out what they need."""

    stars, halves = STARS, HALVES

    @staticmethod
    def windows(rows: Sequence[tuple[str, str, str, int, Sequence[float]]]) -> pa.Table:
        """WINDOW rows from (domain, split, user, k, ratings); item i of each window has a shared key."""
        return pa.Table.from_pylist(
            [
                {
                    "user": user,
                    "domain": domain,
                    "split": split,
                    "k": k,
                    "items": [
                        {
                            "item": f"item-{(k + i) % 4}",
                            "title": "Moss & {Stone}",
                            "categories": [],
                            "rating": rating,
                            "time": None,
                        }
                        for i, rating in enumerate(ratings)
                    ],
                }
                for domain, split, user, k, ratings in rows
            ],
            schema=WINDOW,
        )

    @staticmethod
    def personas(rows: Sequence[dict[str, Any]]) -> pa.Table:
        """PERSONA rows; what is not given is empty, and the id says who, how and when."""
        defaults = {"user": "ann", "domain": "stars", "stage": "final", "text": "likes quiet stones", "leaks": []}
        defaults |= {"parent": None, "engine": "e", "prompt_version": "1", "seed": 0, "tokens": 5, "failure": ""}
        full = [{**defaults, **row} for row in rows]
        return pa.Table.from_pylist([{"id": Tables.id(row), **row} for row in full], schema=PERSONA)

    @staticmethod
    def id(row: dict[str, Any]) -> str:
        """The id that `personas` gives."""
        return "/".join(str(row[name]) for name in ("domain", "user", "method", "k", "stage"))

    @staticmethod
    def predictions(rows: Sequence[tuple[str, str, int, int, Sequence[float] | None]]) -> pa.Table:
        """PREDICTION rows of `ann` in `stars` from (method, stage, persona's k, window, points or None: failed)."""
        return pa.Table.from_pylist(
            [
                {
                    "persona_id": f"stars/ann/{method}/{k}/{stage}",
                    "user": "ann",
                    "domain": "stars",
                    "k": window,
                    "points": points or [],
                    "distribution": [np.eye(5)[round(p) - 1] for p in points or []],
                    "readout": "distribution",
                    "calibrated": "domain",
                    "failure": "" if points else "no answer",
                }
                for method, stage, k, window, points in rows
            ],
            schema=PREDICTION,
        )


@pytest.fixture
def tables() -> type[Tables]:
    return Tables


@pytest.fixture
def many_windows() -> pa.Table:
    """Twelve eval and twelve train users of two domains, windows 0..4 of six ratings each."""
    rng = np.random.default_rng(5)
    rows = []
    for domain in (STARS, HALVES):
        for split in ("eval", "train"):
            for user in range(12):
                level = rng.uniform(2, 5)
                for k in range(5):
                    ratings = domain.scale.round(np.clip(rng.normal(level, 0.8, 6), 1, 5))
                    rows.append((domain.id, split, f"{split}-{user:02}", k, ratings.tolist()))
    return Tables.windows(rows)


@pytest.fixture(scope="session")
def planted_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of planted users."""
    folder = tmp_path_factory.mktemp("planted") / "data"
    write_planted(plant_users(40, 5, seed=3), folder)
    return folder


@pytest.fixture(scope="session")
def made_run(planted_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a run on planted users, once for each name: by rules, two rounds, four methods, with some changes."""
    place = tmp_path_factory.mktemp("runs")

    def make(name: str, **changes: Any) -> Path:
        if not (place / name).exists():
            settings: dict[str, Any] = {
                "data": str(planted_data),
                "policy_engine": "scripted:taste",
                "predictor_engine": "scripted:taste",
                "rounds": 2,
                "roles": ("future",),
                "methods": ("refine", "frozen", "no_persona", "user_median"),
            }
            evaluate(Settings(**{**settings, **changes}), place / name, Console(quiet=True))
        return place / name

    return make
