"""Reads the folder that `deeper pairs` writes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deeper.behaviour.users import keys_of
from deeper.commands.pairs.layout import REPORT, TRAIN, VALIDATION, table_of
from deeper.errors import UserError
from deeper.learning.preferences.choose_pairs import check_split
from deeper.learning.preferences.schema import PAIR
from deeper.storage.hub import folder_of
from deeper.storage.parquet import read_parquet

TABLES = (table_of(TRAIN), table_of(VALIDATION))


@dataclass(frozen=True)
class PairFiles:
    """Pairs to train on.

    Attributes:
        folder: The folder.
        train: `PAIR` rows to learn from.
        validation: `PAIR` rows of validation users; may be empty.
        templates: Hashes of the prompt templates that the answers answer, by name; none for published pairs.
        digest: Identifies both tables; 64 hex digits.
    """

    folder: Path
    train: pa.Table
    validation: pa.Table
    templates: Mapping[str, str]
    digest: str

    @property
    def users(self) -> set[tuple[str, str]]:
        """Domain and id of each user to learn from."""
        return set(keys_of(self.train))


def read_pairs(folder: Path) -> PairFiles:
    """Read a folder of pairs, or download it from the hub by its name.

    Raises:
        UserError: The folder holds no pairs, they cannot be read, or they include a validation user to learn from.
    """
    folder = folder_of(folder.as_posix(), "data set", (*TABLES, REPORT))
    if missing := [name for name in (*TABLES, REPORT) if not (folder / name).is_file()]:
        raise UserError(
            f"the folder holds no preference pairs ({', '.join(missing)} missing)",
            where=str(folder),
            do="give a folder that deeper pairs wrote",
        )
    digest = hashlib.sha256()
    tables: list[pa.Table] = []
    try:
        about = json.loads((folder / REPORT).read_text("utf-8"))
        if not (isinstance(about, dict) and isinstance(about.get("templates"), dict)):
            raise ValueError(f"{REPORT} does not list the templates of the prompts")
        templates: dict[str, str] = {str(name): str(found) for name, found in about["templates"].items()}
        for name in TABLES:
            digest.update((folder / name).read_bytes())
            tables.append(read_parquet(folder / name).select(PAIR.names).cast(PAIR))
            tables[-1].validate(full=True)
    except (pa.ArrowException, OSError, ValueError, KeyError, RecursionError) as error:
        raise UserError(
            f"the pairs cannot be read ({str(error).splitlines()[0][:200]})",
            where=str(folder),
            do="make them again with deeper pairs",
        ) from error
    files = PairFiles(folder, tables[0], tables[1], templates, digest.hexdigest())
    if not files.train.num_rows:
        raise UserError(
            "the folder holds no pair to train on",
            where=str(folder),
            do=f"look in {REPORT} for what was left out",
        )
    check_split(files.train, files.validation)
    return files
