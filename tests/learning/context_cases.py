"""A context small enough to compute rewards by hand, and planted users with directions of known worth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.behaviour.planted.plant import PLANTED, plant_users, planted_persona
from deeper.behaviour.windows import to_windows
from deeper.domains import Domain, Scale
from deeper.engine import Engine, Prompt
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.learning.preferences.directions import Sampler, sample
from deeper.learning.preferences.rewards import asked_of_candidates, asked_of_old
from deeper.learning.preferences.schema import CONTEXT
from deeper.persona.predict import PREDICT_INPUT, predict, predict_row
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.updaters import MODULES

COVES = Domain("coves", "Coves", "cove", Scale(1, 5, 1), unrated=(0.0,))
DOMAINS = {"coves": COVES, "planted": PLANTED}
OLD = "Sees the middle in everything."


def window(**ratings: float) -> list[dict[str, Any]]:
    return [
        {"item": t, "title": f"Cove {t.upper()}", "categories": [], "rating": r, "time": None}
        for t, r in ratings.items()
    ]


def context(user: str = "u", **changes: Any) -> dict[str, Any]:
    """W_0 {a: 4, b: 2}, W_1 {c: 5, d: 3}, W_2 {e: 1, f: 4}."""
    return {
        "user": user,
        "domain": "coves",
        "part": "b",
        "k": 1,
        "parent": f"old-of-{user}",
        "method": "refine",
        "persona": OLD,
        "short_term": "",
        "windows": [window(a=4.0, b=2.0), window(c=5.0, d=3.0)],
        "future": [window(e=1.0, f=4.0)],
        "predicted": [3.0, 3.0],
        **changes,
    }


def table(*rows: Mapping[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CONTEXT)


def sampler(engine: Engine, directions: int) -> Sampler:
    return Sampler(engine, load_prompts(), 40, directions, 1.0, 7, MODULES)


def directions_of(contexts: pa.Table, *texts: str) -> pa.Table:
    """Directions with the given texts, in each context."""
    engine = ScriptedEngine(reply=lambda _, number: texts[number])
    return sample(contexts, sampler(engine, len(texts)), DOMAINS)


def said_points(points: Mapping[str, Mapping[str, float]]) -> ScriptedEngine:
    """A predictor that is sure of its points, (persona, item) → rating; 3 where none is given."""

    def judge(prompt: Prompt, continuation: str, labels: Sequence[str]) -> list[float]:
        for text, own in points.items():
            if text in prompt.user:
                wanted = next((p for item, p in own.items() if f"Cove {item.upper()}" in continuation), 3.0)
                return [0.0 if float(label) == wanted else -np.inf for label in labels]
        return [0.0 if label == "3" else -np.inf for label in labels]

    return ScriptedEngine(scorer=judge)


def read(contexts: pa.Table, directions: pa.Table, engine: Engine) -> pa.Table:
    """Uncalibrated predictions of all that a reward needs."""
    prompts = load_prompts()
    asked = [asked_of_old(contexts), asked_of_candidates(contexts, directions)]
    parts = [pa.Table.from_pylist([predict_row(*one) for one in some], schema=PREDICT_INPUT) for some in asked]
    return pa.concat_tables([predict(rows, engine, prompts, DOMAINS, "distribution", 1) for rows in parts])


def planted_directions(
    users: int, others: int
) -> tuple[pa.Table, pa.Table, dict[tuple[str, str, int], NDArray[np.float64]]]:
    """Contexts whose old persona is another user's truth; directions: the user's own truth and those of others.

    Returns:
        Contexts, directions, and the ratings without noise.
    """
    planted = plant_users(users, 3, seed=4)
    windows: dict[str, list[Any]] = {}
    for row in to_windows(planted.behaviour, split=lambda _: "train").to_pylist():
        windows.setdefault(row["user"], []).append(row["items"])
    rows = planted.truth.to_pylist()
    truths = [planted_persona(row, 1, PLANTED.scale) for row in rows]
    contexts = [
        context(row["user"], domain="planted", persona=truths[i - 1], windows=own[:2], future=own[2:], predicted=None)
        for i, (row, own) in enumerate(zip(rows, windows.values(), strict=True))
    ]
    made = [
        directions_of(table(one), truths[i], *(truths[(i + 1 + j) % users] for j in range(others)))
        for i, one in enumerate(contexts)
    ]
    expected = {
        ("planted", row["user"], k): np.array(row["expected"][10 * k : 10 * k + 10]) for row in rows for k in range(3)
    }
    return table(*contexts), pa.concat_tables(made), expected
