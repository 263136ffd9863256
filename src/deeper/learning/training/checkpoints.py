"""Finds complete checkpoints, and ignores those that a killed process left half-written."""

import json
import shutil
from pathlib import Path

from deeper.learning.training.processes import is_first_process

CHECKPOINTS = "checkpoints"
WHOLE = "whole.json"
"""Written last into a checkpoint, with the sizes of its files. A half-written checkpoint lacks it."""


def mark_whole(checkpoint: Path) -> None:
    """Mark a checkpoint as complete."""
    # Other processes may still be writing the states of their random generators, which nothing here uses.
    files = [path for path in sorted(checkpoint.iterdir()) if not path.name.startswith("rng_state_")]
    sizes = {path.name: path.stat().st_size for path in files}
    (checkpoint / WHOLE).write_text(json.dumps(sizes), "utf-8")


def newest_whole(folder: Path) -> Path | None:
    """The newest complete checkpoint; incomplete ones are deleted.

    Args:
        folder: The training's folder.
    """
    whole: list[Path] = []
    for checkpoint in (folder / CHECKPOINTS).glob("checkpoint-*"):
        if _is_whole(checkpoint):
            whole.append(checkpoint)
        elif is_first_process():
            shutil.rmtree(checkpoint)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _is_whole(checkpoint: Path) -> bool:
    if not (checkpoint / WHOLE).is_file():
        return False
    try:
        sizes: object = json.loads((checkpoint / WHOLE).read_text("utf-8"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(sizes, dict):
        return False
    return all((checkpoint / name).is_file() and (checkpoint / name).stat().st_size == n for name, n in sizes.items())
