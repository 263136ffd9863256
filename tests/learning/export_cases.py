"""Pairs, adapters and a hub's cache to export from, and titles that break what is not quoted."""

import json
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from deeper.behaviour.splits import part
from deeper.engine.adapter import write_card
from deeper.learning.preferences.schema import PAIR

NASTY = 'He said: "no" # {{content}} {{idx}} <|im_end|></s>\n---\n- a: [b]\u2028`````\n| \ufeff\x85 \U0001f600 ${x} \\'
DOMAIN = "movielens_small"


def users(wanted: str, number: int, domain: str = DOMAIN) -> list[str]:
    """Ids of users of a part."""
    return list(islice((f"u{i}" for i in count() if part(domain, f"u{i}") == wanted), number))


def pair(user: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    """A `PAIR` row."""
    return {
        "user": user,
        "domain": DOMAIN,
        "k": 1,
        "parent": "p",
        "method": "refine",
        "prompt": [
            {"role": "system", "content": "You refine personas."},
            {"role": "user", "content": f"Silent Cove {number}: 4"},
        ],
        "chosen": f"Loves coves, {number} of them.",
        "rejected": f"Hates coves, {number} of them.",
        "chosen_id": "c",
        "rejected_id": "r",
        "r_chosen": 0.5,
        "r_rejected": -0.5,
    } | changes


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=PAIR)


def write_pair_folder(
    folder: Path, train: list[dict[str, Any]], validation: list[dict[str, Any]], **about: Any
) -> Path:
    """What `deeper pairs` writes, as far as it is read."""
    folder.mkdir(parents=True)
    pq.write_table(table(train), folder / "train.parquet")
    pq.write_table(table(validation), folder / "validation.parquet")
    (folder / "pairs.json").write_text(json.dumps({"templates": {"refine": "77aa"}, **about}), "utf-8")
    return folder


def write_policy(folder: Path, *, with_card: bool = True, **card: Any) -> Path:
    """An adapter."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": None}), "utf-8"
    )
    save_file({"base_model.model.x.lora_A.weight": np.ones((2, 3), np.float32)}, folder / "adapter_model.safetensors")
    if with_card:
        known = {
            "kind": "policy",
            "base": "0123456789ab",
            "templates": {"refine": "77aa"},
            "users": ["ff00"],
            "provenance": {},
        }
        write_card(folder, **(known | card))  # type: ignore[arg-type]
    return folder


def put_on_hub(cache: Path, kind: str, name: str, folder: Path) -> None:
    """Lay a folder into the hub's cache, as if it had been fetched."""
    place = cache / f"{kind}s--{name.replace('/', '--')}"
    (place / "snapshots").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc123", "utf-8")
    folder.rename(place / "snapshots" / "abc123")
