"""Read what a finished run of `deeper evaluate` or `deeper demo` left in its folder."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from deeper.domains import Domain, Scale
from deeper.errors import UserError
from deeper.evaluation.results_schema import Results, read_results
from deeper.storage import layout
from deeper.storage.parquet import read_parquet
from deeper.storage.run_folder import is_sealed

RUN_AGAIN = "repeat the command of the run: it continues, and calls no model for finished work"


@dataclass(frozen=True)
class RunFiles:
    """The tables and results of a run.

    Attributes:
        name: The folder's name.
        results: The content of results.json.
        manifest: The content of manifest.json.
        domains: By id.
        personas: PERSONA rows.
        predictions: PREDICTION rows.
        errors: ERROR rows.
        windows: WINDOW rows of the eval users.
        search: SEARCH rows; None without a search.
    """

    name: str
    results: Results
    manifest: dict[str, Any]
    domains: dict[str, Domain]
    personas: pa.Table
    predictions: pa.Table
    errors: pa.Table
    windows: pa.Table
    search: pa.Table | None


def read_run(folder: Path) -> RunFiles:
    """Read a run folder.

    Raises:
        UserError: It is not a run folder of these commands, the run is not finished, or a file is damaged.
    """
    if not (folder / layout.CONFIG_FILE).is_file():
        raise UserError(
            "this is not the folder of a finished run of deeper evaluate or deeper demo",
            where=str(folder),
            do="give the folder of such a run",
        )
    manifest = _manifest(folder / layout.MANIFEST_FILE)
    for name, digest in manifest["files"].items():
        _check(folder / name, digest)
    has_search = layout.SEARCH_FILE in manifest["files"]
    return RunFiles(
        name=folder.resolve().name,
        results=read_results(folder / layout.RESULTS_FILE),
        manifest=manifest,
        domains={name: _domain(entry) for name, entry in manifest["domains"].items()},
        personas=read_parquet(folder / layout.PERSONAS_FILE),
        predictions=read_parquet(folder / layout.PREDICTIONS_FILE),
        errors=read_parquet(folder / layout.ERRORS_FILE),
        windows=read_parquet(folder / layout.WINDOWS_FILE),
        search=read_parquet(folder / layout.SEARCH_FILE) if has_search else None,
    )


def _manifest(path: Path) -> dict[str, Any]:
    """The manifest of a finished run of `deeper evaluate`, unchanged since the run wrote it."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise _unfinished(path) from error
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"the file is damaged ({error})", where=str(path), do=RUN_AGAIN) from error
    if not isinstance(value, dict):
        raise _changed(path)
    manifest = cast(dict[str, Any], value)
    if "domains" not in manifest or "files" not in manifest:
        raise UserError(
            "the run is of another command than deeper evaluate, or of an earlier version",
            where=str(path.parent),
            do=f"give the folder of deeper evaluate, or {RUN_AGAIN}",
        )
    if not is_sealed(manifest):
        raise _changed(path)
    return manifest


def _domain(entry: dict[str, Any]) -> Domain:
    texts = {name: entry[name] for name in ("id", "name", "item_noun", "seen")}
    return Domain(scale=Scale(**entry["scale"]), unrated=tuple(entry["unrated"]), **texts)


def _check(path: Path, digest: str) -> None:
    """Refuse a file that has changed since the run wrote it: its report would show something else."""
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise _unfinished(path) from error
    except OSError as error:
        raise UserError(f"the file cannot be read ({error.strerror})", where=str(path), do=RUN_AGAIN) from error
    if found != digest:
        raise _changed(path)


def _unfinished(path: Path) -> UserError:
    return UserError("the run is not finished: this file is missing", where=str(path), do=RUN_AGAIN)


def _changed(path: Path) -> UserError:
    return UserError("the file is damaged: it is not what the run has written", where=str(path), do=RUN_AGAIN)
