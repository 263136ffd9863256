"""A folder of preference pairs, as `deeper pairs` writes it, of users that never were."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.splits import part
from deeper.learning.preferences.schema import PAIR

SYSTEM = "You keep notes."


def users_of_part(wanted: str, count: int) -> list[str]:
    """Ids of users of the domain `coves` that belong to a part."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        if part("coves", f"user-{number}") == wanted:
            found.append(f"user-{number}")
        number += 1
    return found


def pair_row(
    user: str, k: int = 1, chosen: str = "Warm.", rejected: str = "Cold, dim.", **changes: Any
) -> dict[str, Any]:
    prompt = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Old notes of {user}, {k}."}]
    row = {
        "user": user, "domain": "coves", "k": k, "parent": "0" * 16, "method": "refine", "prompt": prompt,
        "chosen": chosen, "rejected": rejected, "chosen_id": "1" * 16, "rejected_id": "2" * 16,
        "r_chosen": 0.5, "r_rejected": -0.5,
    }  # fmt: skip
    return {**row, **changes}


def write_pairs(
    folder: Path, train: list[dict[str, Any]], validation: list[dict[str, Any]], version: str = "v1"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("validation", validation)):
        pq.write_table(pa.Table.from_pylist(rows, schema=PAIR), folder / f"{name}.parquet")
    (folder / "pairs.json").write_text(json.dumps({"templates": {"refine": version}}), "utf-8")
    return folder


def some_pairs(folder: Path, version: str = "v1") -> Path:
    """Pairs of eight train and two validation users, all of different lengths."""
    train = [
        pair_row(user, chosen="Warm" + ", warm" * n + ".", rejected="Cold" + " and dim" * (n % 3) + ".")
        for n, user in enumerate(users_of_part("b", 8))
    ]
    validation = [pair_row(user, rejected="Cold" + "er" * n) for n, user in enumerate(users_of_part("validation", 2))]
    return write_pairs(folder, train, validation, version)
