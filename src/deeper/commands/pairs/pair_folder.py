"""The folder that `deeper pairs` writes, as a training reads it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deeper.errors import UserError
from deeper.learning.preferences.choose_pairs import check_split
from deeper.learning.preferences.schema import PAIR
from deeper.storage.hub import folder_of
from deeper.storage.parquet import read_parquet

TABLES = ("train.parquet", "validation.parquet")
ABOUT = "pairs.json"


@dataclass(frozen=True)
class PairFiles:
    """Pairs to train on.

    Attributes:
        folder: Where they lie.
        train: `PAIR` rows to learn from.
        validation: `PAIR` rows of validation users; there may be none.
        prompt_version: Of the prompts that the answers were written to.
        digest: Identifies both tables; 64 hex digits.
    """

    folder: Path
    train: pa.Table
    validation: pa.Table
    prompt_version: str
    digest: str

    @property
    def users(self) -> set[tuple[str, str]]:
        """Domain and id of each user that is learnt from."""
        return {(row["domain"], row["user"]) for row in self.train.select(["domain", "user"]).to_pylist()}


def read_pairs(folder: Path) -> PairFiles:
    """Read the folder, or what lies under its name on the hub.

    Raises:
        UserError: It holds no pairs, they cannot be read, or a validation user is among those to be learnt from.
    """
    folder = folder_of(folder.as_posix(), "data set", (*TABLES, ABOUT))
    if missing := [name for name in (*TABLES, ABOUT) if not (folder / name).is_file()]:
        raise UserError(
            f"there are no preference pairs here ({', '.join(missing)} missing)",
            where=str(folder),
            do="give the folder that deeper pairs has written",
        )
    digest = hashlib.sha256()
    tables: list[pa.Table] = []
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        if not (isinstance(about, dict) and isinstance(about.get("prompt_version"), str)):
            raise ValueError(f"{ABOUT} does not tell the version of the prompts")
        prompt_version: str = about["prompt_version"]
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
    files = PairFiles(folder, tables[0], tables[1], prompt_version, digest.hexdigest())
    if not files.train.num_rows:
        raise UserError("there is no pair to train on", where=str(folder), do="see pairs.json for what was left out")
    check_split(files.train, files.validation)
    return files
