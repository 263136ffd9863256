"""Load what a finished run of `deeper evaluate` or `deeper demo` left in its folder."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from deeper.behaviour.schema import WINDOW
from deeper.domains import Domain, Scale
from deeper.errors import UserError
from deeper.evaluation.results_schema import Results, read_results
from deeper.evaluation.schema import ERROR
from deeper.persona.schema import PERSONA, PREDICTION
from deeper.persona.search import SEARCH
from deeper.storage import layout
from deeper.storage.parquet import read_parquet
from deeper.storage.run_folder import is_sealed
from deeper.storage.stage import COST

RUN_AGAIN = "repeat the command of the run: it continues, and calls no model for finished work"


@dataclass(frozen=True)
class Run:
    """A finished run: its settings, its results, and its tables as Arrow tables (`.to_pandas()` is Arrow's own).

    Attributes:
        folder: The run folder.
        results: The content of results.json.
        manifest: The content of manifest.json.
        domains: By id.
        personas: `deeper.persona.schema.PERSONA` rows.
        predictions: `deeper.persona.schema.PREDICTION` rows, of predictions from the persona alone.
        errors: `deeper.evaluation.schema.ERROR` rows.
        windows: `deeper.behaviour.schema.WINDOW` rows of the judged users.
        cost: `deeper.storage.stage.COST` rows.
        search: `deeper.persona.search.SEARCH` rows; None without a search.
        history: PREDICTION rows of predictions with history; None without history.
    """

    folder: Path
    results: Results
    manifest: dict[str, Any]
    domains: dict[str, Domain]
    personas: pa.Table
    predictions: pa.Table
    errors: pa.Table
    windows: pa.Table
    cost: pa.Table
    search: pa.Table | None
    history: pa.Table | None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, by the names that flags and config.toml have."""
        return self.results.config


def load_run(folder: str | Path) -> Run:
    """Load a finished run of `deeper evaluate` or `deeper demo`.

    Args:
        folder: The run folder.

    Raises:
        UserError: It is not the folder of such a run, the run is not finished, or a file is damaged.
    """
    folder = Path(folder)
    if not (folder / layout.CONFIG_FILE).is_file():
        raise UserError(
            "this is not the folder of a finished run of deeper evaluate or deeper demo",
            where=str(folder),
            do="give the folder of such a run",
        )
    manifest = _manifest(folder / layout.MANIFEST_FILE)
    for name, digest in manifest["files"].items():
        _check(folder / name, digest)
    results = read_results(folder / layout.RESULTS_FILE)
    with_history = results.config.get("prediction") == "history"
    return Run(
        folder=folder,
        results=results,
        manifest=manifest,
        domains={name: _domain(entry) for name, entry in manifest["domains"].items()},
        personas=_table(folder / layout.PERSONAS_FILE, PERSONA),
        predictions=_table(folder / layout.PREDICTIONS_FILE, PREDICTION),
        errors=_table(folder / layout.ERRORS_FILE, ERROR),
        windows=_table(folder / layout.WINDOWS_FILE, WINDOW),
        cost=_table(folder / layout.COST_FILE, COST),
        search=_table(folder / layout.SEARCH_FILE, SEARCH) if layout.SEARCH_FILE in manifest["files"] else None,
        history=_table(folder / layout.HISTORY_PREDICTIONS_FILE, PREDICTION) if with_history else None,
    )


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        table = read_parquet(path)
    except FileNotFoundError as error:
        raise _unfinished(path) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _changed(path) from error
    if not table.schema.equals(schema):
        raise UserError("the table has other columns: an earlier version wrote it", where=str(path), do=RUN_AGAIN)
    return table


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
