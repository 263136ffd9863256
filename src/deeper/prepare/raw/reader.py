"""What a reader of a raw format is: where a rating and a title stand in its records."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["json", "csv"]

SECONDS = "make_timestamp(CAST(try_cast({time} AS DOUBLE) * 1000000 AS BIGINT))"
MILLISECONDS = "make_timestamp(CAST(try_cast({time} AS DOUBLE) * 1000 AS BIGINT))"
WRITTEN = "try_cast({time} AS TIMESTAMP)"


@dataclass(frozen=True)
class Fields:
    """Where values stand in the records of a file.

    Attributes:
        names: Of each value, the keys (JSON) or columns (CSV) that may hold it; the first that is there counts.
        header: Whether the first record names the columns (CSV).
        columns: The columns of a CSV file without a header.
    """

    names: dict[str, tuple[str, ...]]
    header: bool = True
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """One raw format.

    Attributes:
        name: Of the format.
        kind: How records are written.
        ratings: Where `user`, `item`, `rating` and `time` stand.
        meta_kind: How the records of the meta file are written.
        meta: Where `item` and `title` stand in the meta file.
        time: SQL for a timestamp in UTC from the text {time}; NULL if it is none.
        rating_files: Patterns of the ratings files' names, where {} stands for the domain's category.
        meta_files: Patterns of the meta files' names.
        marks: Keys or columns of which the first record has all, and that no other format's has.
    """

    name: str
    kind: Kind
    ratings: Fields
    meta: Fields
    time: str
    rating_files: tuple[str, ...]
    meta_files: tuple[str, ...]
    marks: frozenset[str] = field(default_factory=frozenset)
    meta_kind: Kind = "json"
