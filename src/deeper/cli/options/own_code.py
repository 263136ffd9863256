"""Errors in code that is not ours: an updater of the user's, or a module that was added to the package."""

import traceback
from pathlib import Path

import deeper
from deeper.errors import UserError
from deeper.storage.code_hash import is_library

PACKAGE = Path(deeper.__file__).resolve().parent
OURS = {
    "persona": (
        "calibration",
        "cross_fit",
        "history",
        "leaks",
        "predict",
        "predictors",
        "recipe",
        "rounds",
        "schema",
        "search",
        "stage_settings",
        "stages",
        "update_input",
        "write",
    ),
    "persona/updaters": (
        "full_regeneration",
        "hierarchical_merge",
        "incremental_update",
        "refine",
        "slide_regeneration",
    ),
    "prepare/raw/readers": ("amazon_2018", "amazon_2023", "amazon_csv", "food_com", "google_local", "movielens"),
}
"""The folders to which docs/extend.md adds a module, and the modules that are there without any addition."""
OUR_ENGINES = ("openai", "openvino", "scripted", "torch")
"""The same for engines, which are folders of `engine`."""


def error_in_own_code(error: BaseException) -> UserError | None:
    """The message for an error that was raised in, or by a call from, code that is not ours; None for our own bugs."""
    places = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno or 0))
    for file, line in reversed(places):
        if _is_own(Path(file)):
            what = f"{type(error).__name__}: {error}"
            return UserError(what, where=f"{file}, line {line}", do="correct the file; the same command continues")
    return None


def place_of(error: BaseException) -> str:
    """The innermost line of this package behind an error, such as `persona/write.py, line 40`."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(PACKAGE)
    ]
    return f"{Path(frames[-1].filename).relative_to(PACKAGE)}, line {frames[-1].lineno}" if frames else ""


def _is_own(file: Path) -> bool:
    """Whether a file is neither Python's, nor a library's, nor a part of this package as we made it."""
    path = file.resolve()
    if path.is_relative_to(PACKAGE):
        return _was_added(path.relative_to(PACKAGE))
    return path.is_file() and not is_library(path)


def _was_added(place: Path) -> bool:
    parts = place.parts
    if parts[0] == "engine" and len(parts) > 2:
        return parts[1] not in OUR_ENGINES
    ours = OURS.get(place.parent.as_posix())
    return ours is not None and place.stem not in (*ours, "__init__")
