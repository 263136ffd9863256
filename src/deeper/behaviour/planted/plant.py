"""Synthetic users with planted taste: a known level, spread, liked and disliked kinds of items, and drift.

They test the evaluation itself. In window k, a rating is the value of the scale nearest to

    clip(level_k + taste(kind) + noise),    level_k = level + drift_per_window · min(k, 6)

where taste is +spread for liked kinds, −spread for disliked kinds and 0 for others, and the noise is Gaussian. A user's
taste may also turn: from window `turn` on, one of the liked kinds is no longer liked. The title names the kind ("The
Silent Harbour: A Mystery") and is the item's category, so a predictor can use it. The planted taste is stored beside
the behaviour.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import BEHAVIOUR
from deeper.domains import Domain, Scale
from deeper.domains.taste_words import DRIFTS, Taste, in_words
from deeper.domains.toml_text import domain_toml
from deeper.storage.new_folder import new_folder

KINDS = (
    "Mystery",
    "Romance",
    "Comedy",
    "Western",
    "Musical",
    "Biography",
    "Thriller",
    "Fantasy",
    "Documentary",
    "Satire",
    "Fable",
    "Tragedy",
)
# fmt: off
ADJECTIVES = (
    "Silent", "Crooked", "Golden", "Hollow", "Scarlet", "Restless", "Wandering", "Forgotten", "Gentle",
    "Frozen", "Painted", "Borrowed", "Distant", "Patient", "Broken", "Lonely", "Burning", "Quiet", "Secret",
    "Tangled", "Velvet", "Winter", "Marble", "Paper", "Copper", "Drowned", "Northern", "Humble", "Faithful",
    "Midnight",
)
NOUNS = (
    "Harbour", "Orchard", "Lantern", "River", "Staircase", "Garden", "Letter", "Meadow", "Bridge", "Candle",
    "Mirror", "Kitchen", "Island", "Pigeon", "Carpenter", "Violin", "Tailor", "Railway", "Window", "Compass",
    "Teacup", "Ferry", "Chimney", "Beekeeper", "Library", "Pavilion", "Ladder", "Waltz", "Cellar", "Postman",
)
# fmt: on

PLANTED = Domain("planted", "Planted tastes", "film", Scale(0.5, 5, 0.5))

DRIFT_WINDOWS = 6
"""The level stops changing after so many windows; otherwise long histories would reach an end of the scale."""

TRUTH = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("level", pa.float32(), nullable=False),
        pa.field("spread", pa.float32(), nullable=False),
        pa.field("liked", pa.list_(pa.string()), nullable=False),
        pa.field("disliked", pa.list_(pa.string()), nullable=False),
        pa.field("drift", pa.string(), nullable=False),
        pa.field("drift_per_window", pa.float32(), nullable=False),
        pa.field("turn", pa.int16()),
        pa.field("noise", pa.float32(), nullable=False),
        pa.field("expected", pa.list_(pa.float32()), nullable=False),
    ]
)
"""One user a row. `level` (in window 0) and `spread` are in units of the scale; `drift` is a key of `DRIFTS`. From
window `turn` on, unless it is null, the first of `liked` is no longer liked. `noise` is the standard deviation of the
noise, in units of the scale. `expected` is the rating without noise and rounding, by position."""
TRUTH_FILE = "truth.parquet"


@dataclass(frozen=True)
class Planted:
    """The behaviour (`BEHAVIOUR`), the planted taste (`TRUTH`), and the domain."""

    behaviour: pa.Table
    truth: pa.Table
    domain: Domain


def plant_users(
    users: int,
    windows: int = 7,
    seed: int = 1,
    domain: Domain = PLANTED,
    *,
    size: int = RECIPE.window_size,
    noise_steps: float = 0.8,
) -> Planted:
    """Make users with planted taste. The same arguments give the same users, and more users begin with the same ones.

    Args:
        users: Number of users, 1 or more.
        windows: Windows of each user.
        seed: Seed, 0 or more.
        domain: Provides the scale.
        size: Events in a window; windows · size is at most the number of titles, 10,800.
        noise_steps: Standard deviation of the noise, in steps of the scale.
    """
    truth: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    noise = noise_steps * domain.scale.step
    for number in range(users):
        rng = np.random.default_rng([seed, number])
        planted = {"user": f"planted-{number:05d}", **_taste(rng, domain.scale, windows), "noise": noise}
        items = rng.choice(len(KINDS) * len(ADJECTIVES) * len(NOUNS), windows * size, replace=False)
        expected = [
            expected_rating(planted, KINDS[item % len(KINDS)], position // size, domain.scale)
            for position, item in enumerate(items.tolist())
        ]
        ratings = domain.scale.round(np.asarray(expected) + rng.normal(0, noise, len(items)))
        start = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        times = [start + timedelta(hours=float(hours)) for hours in np.cumsum(rng.uniform(1, 72, len(items)))]
        truth.append({**planted, "expected": expected})
        events += [
            {
                "user": planted["user"],
                "domain": domain.id,
                "item": f"item-{item:05d}",
                "title": _title(item),
                "categories": [KINDS[item % len(KINDS)]],
                "rating": rating,
                "time": time.replace(microsecond=0),
                "position": position,
            }
            for position, (item, rating, time) in enumerate(zip(items.tolist(), ratings.tolist(), times, strict=True))
        ]
    return Planted(pa.Table.from_pylist(events, schema=BEHAVIOUR), pa.Table.from_pylist(truth, schema=TRUTH), domain)


def liked_at(truth: Mapping[str, Any], k: int) -> list[str]:
    """Return the kinds that a user likes in window k."""
    has_turned = truth["turn"] is not None and k >= truth["turn"]
    return truth["liked"][1:] if has_turned else truth["liked"]


def level_at(truth: Mapping[str, Any], k: int) -> float:
    """Return the level in window k, in units of the scale; it may lie off the scale."""
    return truth["level"] + truth["drift_per_window"] * min(k, DRIFT_WINDOWS)


def expected_rating(truth: Mapping[str, Any], kind: str, k: int, scale: Scale) -> float:
    """Return the rating of an item of a kind in window k, without noise and rounding.

    Args:
        truth: A row of a `TRUTH` table.
        kind: One of `KINDS`.
        k: The window, from 0.
        scale: The rating is clipped to this scale.
    """
    taste = truth["spread"] * ((kind in liked_at(truth, k)) - (kind in truth["disliked"]))
    return float(np.clip(level_at(truth, k) + taste, scale.minimum, scale.maximum))


def planted_persona(truth: Mapping[str, Any], k: int, scale: Scale) -> str:
    """Return the planted taste of a user up to window k in words: no digits, no titles, nothing of later windows.

    Args:
        truth: A row of a `TRUTH` table.
        k: The last window that the persona covers.
        scale: The domain's scale.
    """
    width = scale.maximum - scale.minimum
    level, spread = (level_at(truth, k) - scale.minimum) / width, truth["spread"] / width
    kinds = {kind.lower(): level + spread for kind in liked_at(truth, k)}
    kinds |= {kind.lower(): level - spread for kind in truth["disliked"]}
    return in_words(Taste(level, kinds, truth["drift"] if k < DRIFT_WINDOWS else "steady"))


def write_planted(planted: Planted, folder: Path) -> None:
    """Write behaviour.parquet, truth.parquet and domain.toml, whole or not at all.

    Args:
        planted: What to write.
        folder: An empty or new folder.

    Raises:
        UserError: The folder is not empty, or cannot be written.
    """
    with new_folder(folder) as staging:
        pq.write_table(planted.behaviour, staging / "behaviour.parquet", compression="zstd")
        pq.write_table(planted.truth, staging / TRUTH_FILE, compression="zstd")
        (staging / "domain.toml").write_text(domain_toml(planted.domain), "utf-8")


def _taste(rng: np.random.Generator, scale: Scale, windows: int) -> dict[str, Any]:
    """Draw the taste of one user."""
    width = scale.maximum - scale.minimum
    kinds = [KINDS[i] for i in rng.permutation(len(KINDS))]
    drift = str(rng.choice(list(DRIFTS)))
    turns = windows > 2 and bool(rng.random() < 0.5)
    return {
        "level": scale.minimum + width * rng.uniform(0.3, 0.85),
        "spread": width * rng.uniform(0.15, 0.35),
        "liked": kinds[:4],
        "disliked": kinds[4:7],
        "drift": drift,
        "drift_per_window": DRIFTS[drift] * scale.step,
        "turn": int(rng.integers(1, windows)) if turns else None,
    }


def _title(item: int) -> str:
    rest, kind = divmod(item, len(KINDS))
    adjective, noun = divmod(rest, len(NOUNS))
    return f"The {ADJECTIVES[adjective]} {NOUNS[noun]}: A {KINDS[kind]}"
