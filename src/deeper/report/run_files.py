"""What a finished run of `deeper evaluate` or `deeper demo` has left in its folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.domains import Domain, Scale
from deeper.errors import UserError

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
    if "domains" not in manifest:
        raise UserError("the run is of an earlier version", where=str(folder), do=AGAIN)
    return RunFiles(
        name=folder.resolve().name,
        results=_json(folder / "results.json"),
        manifest=manifest,
        domains={name: _domain(entry) for name, entry in manifest["domains"].items()},
        **{name: _table(folder / f"{name}.parquet") for name in ("personas", "predictions", "errors", "windows")},
        search=_table(folder / "search.parquet") if manifest["config"]["search_n"] else None,
    )


def _domain(entry: dict[str, Any]) -> Domain:
    named = {name: entry[name] for name in ("id", "name", "item_noun", "seen")}
    return Domain(scale=Scale(**entry["scale"]), unrated=tuple(entry["unrated"]), **named)


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError("the run is not finished", where=str(path), do=AGAIN) from error
    except (ValueError, OSError) as error:
        raise UserError(f"the file is damaged ({error})", where=str(path), do=AGAIN) from error


def _table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise UserError("the run is not finished", where=str(path), do=AGAIN) from error
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"the file is damaged ({error})", where=str(path), do=AGAIN) from error
