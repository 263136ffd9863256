"""What a finished run of `deeper evaluate` or `deeper demo` has left in its folder."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from deeper.domains import Domain, Scale
from deeper.errors import UserError
from deeper.storage.parquet import read_parquet
from deeper.storage.run_folder import is_sealed

TABLES = ("personas", "predictions", "errors", "windows")
AGAIN = "give the command of the run again: it continues, and calls no model for what is there"


@dataclass(frozen=True)
class RunFiles:
    """The tables and results of a run.

    Attributes:
        name: The folder's.
        results: The content of results.json.
        manifest: Of manifest.json.
        domains: By id.
        personas: PERSONA rows.
        predictions: PREDICTION rows.
        errors: ERROR rows.
        windows: WINDOW rows of the judged users.
        search: SEARCH rows; none without a search of directions.
    """

    name: str
    results: dict[str, Any]
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
        UserError: It is no run folder of these commands, the run is not finished, or a file is damaged.
    """
    if not (folder / "config.toml").is_file() or not (folder / "initialise").is_dir():
        raise UserError(
            "there is no run of deeper evaluate or deeper demo", where=str(folder), do="give the folder of one"
        )
    manifest = _json(folder / "manifest.json")
    if "domains" not in manifest or "files" not in manifest:
        raise UserError("the run is of an earlier version", where=str(folder), do=AGAIN)
    if not is_sealed(manifest):
        raise _changed(folder / "manifest.json")
    for name, digest in manifest["files"].items():
        _check(folder / name, digest)
    return RunFiles(
        name=folder.resolve().name,
        results=_json(folder / "results.json"),
        manifest=manifest,
        domains={name: _domain(entry) for name, entry in manifest["domains"].items()},
        **{name: read_parquet(folder / f"{name}.parquet") for name in TABLES},
        search=read_parquet(folder / "search.parquet") if manifest["config"]["search_n"] else None,
    )


def _domain(entry: dict[str, Any]) -> Domain:
    named = {name: entry[name] for name in ("id", "name", "item_noun", "seen")}
    return Domain(scale=Scale(**entry["scale"]), unrated=tuple(entry["unrated"]), **named)


def _check(path: Path, digest: str) -> None:
    """Refuse a file that is not as the run has written it: a report of it would be a report of something else."""
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise UserError("the run is not finished", where=str(path), do=AGAIN) from error
    except OSError as error:
        raise UserError(f"the file cannot be read ({error.strerror})", where=str(path), do=AGAIN) from error
    if found != digest:
        raise _changed(path)


def _changed(path: Path) -> UserError:
    return UserError("the file is damaged: it is not what the run has written", where=str(path), do=AGAIN)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError("the run is not finished", where=str(path), do=AGAIN) from error
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"the file is damaged ({error})", where=str(path), do=AGAIN) from error
    if not isinstance(value, dict):
        raise _changed(path)
    return cast(dict[str, Any], value)
