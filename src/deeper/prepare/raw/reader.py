"""The reader of a raw format: where ratings, titles and categories stand in the records of its files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RecordFormat = Literal["json", "csv"]

UNIX_SECONDS = "make_timestamp(CAST(try_cast({time} AS DOUBLE) * 1000000 AS BIGINT))"
UNIX_MILLISECONDS = "make_timestamp(CAST(try_cast({time} AS DOUBLE) * 1000 AS BIGINT))"
TIMESTAMP_TEXT = "try_cast({time} AS TIMESTAMP)"
"""Choices for `Reader.time_sql`. The last reads "2005-04-02 23:53:47", "2005-09-16" and "2017/8/18"."""


@dataclass(frozen=True)
class Fields:
    """Where values stand in the records of a file.

    Attributes:
        names: For each value, the keys (JSON) or columns (CSV) that may hold it; the first one present is used.
        optional: The same for values that a file may lack.
        columns: All columns of a CSV file without a header; empty if the first record names the columns.
    """

    names: Mapping[str, tuple[str, ...]]
    columns: tuple[str, ...] = ()
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def all_names(self) -> Mapping[str, tuple[str, ...]]:
        """All values, the optional ones last."""
        return {**self.names, **self.optional}


@dataclass(frozen=True)
class Reader:
    """One raw format. A file is recognised by `identifying_keys`, or by `id_patterns` if it names no columns.

    Attributes:
        name: Name of the format.
        record_format: How the records of the ratings file are written.
        ratings: Where `user`, `item`, `rating` and `time` stand.
        meta_record_format: How the records of the meta file are written.
        meta: Where `item` and `title` stand in the meta file; all its optional values are categories.
        category_separator: What stands between the categories of one text; empty if lists hold them.
        time_sql: SQL that turns the text {time} into a UTC timestamp, or NULL if the text is not a time.
        rating_files: Patterns of the ratings files' names; {} stands for the domain's category.
        meta_files: Patterns of the meta files' names.
        identifying_keys: Keys or columns that together occur in no other format.
        id_patterns: Regular expressions for `user` and `item` ids, for CSV files without a header.
    """

    name: str
    record_format: RecordFormat
    ratings: Fields
    meta: Fields
    time_sql: str
    rating_files: tuple[str, ...]
    meta_files: tuple[str, ...]
    identifying_keys: tuple[str, ...] = ()
    id_patterns: Mapping[str, str] = field(default_factory=dict[str, str])
    meta_record_format: RecordFormat = "json"
    category_separator: str = ""
