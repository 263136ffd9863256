"""Personas that policies wrote, read from the tables of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from deeper.errors import UserError
from deeper.persona.schema import PERSONA
from deeper.persona.stages import CONTROL_METHODS
from deeper.storage.parquet import read_parquet

NEEDED_COLUMNS = ("user", "domain", "k", "text")

PolicyTexts = Mapping[tuple[str, str, int], Sequence[str]]
"""Personas that policies wrote, by (domain, user, k)."""


def read_personas(paths: Sequence[Path]) -> PolicyTexts:
    """Read the final personas in Parquet files with the columns user, domain, k and text of `PERSONA`.

    Raises:
        UserError: A file cannot be read or lacks a column.
    """
    texts: dict[tuple[str, str, int], list[str]] = {}
    for path in paths:
        do = "give a Parquet file of personas, such as personas.parquet of a run"
        try:
            table = read_parquet(path)
            if missing := [name for name in NEEDED_COLUMNS if name not in table.column_names]:
                raise UserError(f"the table lacks {', '.join(missing)}", where=str(path), do="give a table of personas")
            table = table.select([name for name in PERSONA.names if name in table.column_names])
            table = table.cast(pa.schema([PERSONA.field(name).with_nullable(True) for name in table.column_names]))
            table.validate(full=True)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise UserError(f"the table of personas cannot be read ({error})", where=str(path), do=do) from error
        for row in table.to_pylist():
            if any(row[name] is None for name in NEEDED_COLUMNS):
                raise UserError("a persona lacks user, domain, k or text", where=str(path), do="remove the row")
            if _is_written(row):
                known = texts.setdefault((row["domain"], row["user"], row["k"]), [])
                if row["text"] not in known:
                    known.append(row["text"])
    return texts


def _is_written(row: Mapping[str, Any]) -> bool:
    final = row.get("stage", "final") == "final" and not row.get("failure")
    return final and row.get("method") not in CONTROL_METHODS and bool(row["text"])
