"""Names of the files and folders that `deeper learn` writes."""

from pathlib import Path

REPORT = "learn.json"
PAGE = "report.html"
BASE = "base"
"""Folder of the random model."""
BEFORE = "before"
"""Stage and folder of the validation before learning."""


def sampled_folder(out: Path, iteration: int) -> Path:
    """The run folder of an iteration's directions and rewards."""
    return out / str(iteration) / "sampled"


def pairs_folder(out: Path, iteration: int) -> Path:
    """The folder of an iteration's preference pairs."""
    return out / str(iteration) / "pairs"


def policy_folder(out: Path, iteration: int) -> Path:
    """The folder of the adapter that an iteration trains."""
    return out / str(iteration) / "policy"


def validation_folder(out: Path, stage: str) -> Path:
    """The run folder of a validation: before learning, or after an iteration."""
    return out / BEFORE if stage == BEFORE else out / stage / "validation"


def step_note(step: str) -> str:
    """The file that records a finished step, relative to the folder."""
    return f"steps/{step.replace('/', '-')}.json"
