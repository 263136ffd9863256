"""Users of planted taste: a known level, spread, liked and disliked kinds of items, and drift.

They test the measuring itself. A rating is the nearest value of the scale to

    clip(level_k + taste(kind) + noise),    level_k = level + drift_per_window · min(k, 6)

in window k, where taste is +spread for liked kinds, −spread for disliked ones and 0 for others, and the noise
is Gaussian. A user's taste may turn, too: from window `turn` on, one of the liked kinds is liked no longer.
The kind stands in the title ("The Silent Harbour: A Mystery"), so that a reader of words can use it. What was
planted is written beside the behaviours; `planted_words` says it in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.schema import BEHAVIOUR
from deeper.behaviour.windows import WINDOW_SIZE
from deeper.domains import Domain, Scale
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

DRIFTS = {"cools quickly": -0.5, "cools": -0.25, "steady": 0.0, "warms": 0.25, "warms quickly": 0.5}
"""Change of the level from window to window, in steps of the scale."""
DRIFT_WINDOWS = 6
"""After so many windows a level moves no further, or long histories would end at an end of the scale."""

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
        pa.field("expected", pa.list_(pa.float32()), nullable=False),
    ]
)
"""One user a row. `level` (in window 0) and `spread` are in units of the scale; `drift` is a key of `DRIFTS`;
from window `turn` on, if there is one, the first of `liked` is liked no longer; `expected` is the rating
without noise and without rounding, by position."""


@dataclass(frozen=True)
class Planted:
    """Behaviours (`BEHAVIOUR`), what was planted (`TRUTH`), and the domain."""

    behaviour: pa.Table
    truth: pa.Table
    domain: Domain


def plant_users(
    users: int,
    windows: int = 7,
    seed: int = 1,
    domain: Domain = PLANTED,
    *,
    size: int = WINDOW_SIZE,
    noise_steps: float = 0.8,
) -> Planted:
    """Make users of planted taste; the same arguments make the same users, and a user is the same among more.

    Args:
        users: How many, 1 or more.
        windows: Windows of each.
        seed: Seed, 0 or more.
        domain: Gives the scale.
        size: Behaviours in a window; windows · size is at most the number of titles, 10,800.
        noise_steps: Standard deviation of the noise, in steps of the scale.
    """
    truth: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for number in range(users):
        rng = np.random.default_rng([seed, number])
        planted = {"user": f"planted-{number:05d}", **_taste(rng, domain.scale, windows)}
        items = rng.choice(len(KINDS) * len(ADJECTIVES) * len(NOUNS), windows * size, replace=False)
        expected = [
            expected_rating(planted, KINDS[item % len(KINDS)], position // size, domain.scale)
            for position, item in enumerate(items.tolist())
        ]
        noise = rng.normal(0, noise_steps * domain.scale.step, len(items))
        ratings = domain.scale.round(np.asarray(expected) + noise)
        start = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        times = [start + timedelta(hours=float(hours)) for hours in np.cumsum(rng.uniform(1, 72, len(items)))]
        truth.append({**planted, "expected": expected})
        events += [
            {
                "user": planted["user"],
                "domain": domain.id,
                "item": f"item-{item:05d}",
                "title": _title(item),
                "rating": rating,
                "time": time.replace(microsecond=0),
                "position": position,
            }
            for position, (item, rating, time) in enumerate(zip(items.tolist(), ratings.tolist(), times, strict=True))
        ]
    return Planted(pa.Table.from_pylist(events, schema=BEHAVIOUR), pa.Table.from_pylist(truth, schema=TRUTH), domain)


def liked_at(truth: Mapping[str, Any], k: int) -> list[str]:
    """The kinds that a user likes in window k."""
    has_turned = truth["turn"] is not None and k >= truth["turn"]
    return truth["liked"][1:] if has_turned else truth["liked"]


def level_at(truth: Mapping[str, Any], k: int) -> float:
    """The level in window k, in units of the scale; it may lie off the scale."""
    return truth["level"] + truth["drift_per_window"] * min(k, DRIFT_WINDOWS)


def expected_rating(truth: Mapping[str, Any], kind: str, k: int, scale: Scale) -> float:
    """The rating of an item of a kind in window k, without noise and rounding.

    Args:
        truth: A row of a `TRUTH` table.
        kind: One of `KINDS`.
        k: The window, from 0.
        scale: The scale that it is clipped to.
    """
    taste = truth["spread"] * ((kind in liked_at(truth, k)) - (kind in truth["disliked"]))
    return float(np.clip(level_at(truth, k) + taste, scale.minimum, scale.maximum))


def write_planted(planted: Planted, folder: Path) -> None:
    """Write behaviour.parquet, truth.parquet and domain.toml, whole or not at all.

    Args:
        planted: What to write.
        folder: A folder that is empty or not there yet.

    Raises:
        UserError: The folder holds something, or cannot be written.
    """
    with new_folder(folder) as staging:
        pq.write_table(planted.behaviour, staging / "behaviour.parquet", compression="zstd")
        pq.write_table(planted.truth, staging / "truth.parquet", compression="zstd")
        (staging / "domain.toml").write_text(domain_toml(planted.domain), "utf-8")


def _taste(rng: np.random.Generator, scale: Scale, windows: int) -> dict[str, Any]:
    """What is planted in one user."""
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
