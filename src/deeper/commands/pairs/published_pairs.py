"""`deeper pairs FILE`: published pairs, in the folder that training reads.

A published file names no users. Pairs are therefore split by their prompt: all pairs of one prompt stay together.
"""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from deeper.behaviour.published.hub_pairs import read_messages
from deeper.behaviour.recipe import RECIPE
from deeper.commands.pairs.layout import REPORT, TRAIN, VALIDATION
from deeper.commands.pairs.pairs import write_pair_folder
from deeper.commands.pairs.report import PairCounts, PairSource, PairsReport
from deeper.commands.pairs.settings import PairSettings
from deeper.errors import UserError
from deeper.learning.preferences.choose_pairs import check_split, split_pairs
from deeper.learning.preferences.schema import PAIR
from deeper.storage.provenance import dump_recipes, provenance
from deeper.storage.run_folder import RunFolder

PUBLISHED = "published"
"""Stands for the domain and the updater, which a published file does not say."""


def take_published(settings: PairSettings, files: Sequence[Path], out: Path) -> dict[str, Any]:
    """Take over published pairs, in the order of the files.

    Args:
        settings: Kept beside the pairs. The thresholds have no effect, since the files hold no rewards.
        files: JSON or JSON lines, in one of the forms of `behaviour.published.hub_pairs`.
        out: The folder to write, as in `make_pairs`. Rewards are null; a fifth of the prompts is for validation.

    Returns:
        The content of `pairs.json`.

    Raises:
        UserError: A file cannot be read, no pair is left to learn from, or the folder holds something else.
    """
    rows = [row for file in files for row in read_messages(file).to_pylist()]
    kept = [row for row in rows if row["chosen"] != row["rejected"]]
    table = pa.Table.from_pylist([_pair(row) for row in kept], schema=PAIR)
    train, validation = split_pairs(table)
    check_split(train, validation)
    if not train.num_rows:
        raise UserError("no pair is left to learn from", where=", ".join(map(str, files)), do="give more pairs")
    if (out / REPORT).exists():
        raise UserError(
            "the folder already holds pairs", where=str(out), do="choose another --out, or delete the folder"
        )
    report = PairsReport(
        **provenance(),
        config=settings.model_dump(mode="json"),
        recipes=dump_recipes(behaviour=RECIPE),
        templates={},
        max_persona_tokens=None,
        runs=[PairSource(run=file.name, digest=_digest(file.read_bytes())) for file in files],
        counts={
            "pairs": len(kept),
            "same_text": len(rows) - len(kept),
            TRAIN: PairCounts.of(train),
            VALIDATION: PairCounts.of(validation),
        },
    ).as_json()
    write_pair_folder(RunFolder(out, settings), train, validation, report)
    return report


def _pair(row: dict[str, str]) -> dict[str, Any]:
    name = _digest("\0".join((row["system"], row["prompt"])).encode())
    return {
        "user": name,
        "domain": PUBLISHED,
        "k": 1,
        "parent": name,
        "method": PUBLISHED,
        "prompt": [{"role": "system", "content": row["system"]}, {"role": "user", "content": row["prompt"]}],
        **{side: row[side] for side in ("chosen", "rejected")},
        **{f"{side}_id": _digest("\0".join((name, row[side])).encode()) for side in ("chosen", "rejected")},
    }


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()
