"""The raw files of a domain in a folder, by their published names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deeper.domains import BUILTIN
from deeper.errors import UserError
from deeper.prepare.raw.all_readers import READERS, find_reader, holds_ratings
from deeper.prepare.raw.blocks import exists, files_below
from deeper.prepare.raw.reader import Reader
from deeper.prepare.settings import PrepareSettings
from deeper.prepare.sources import Source

COMPRESSED = r"(?:\.gz|\.zst|\.zstd)?"


class NoRawFile(UserError):
    """No ratings file of a domain was found: of ten domains few are there."""


@dataclass(frozen=True)
class RawFiles:
    """The files of a domain, and their reader; `meta` is empty if there is none."""

    ratings: tuple[str, ...]
    meta: tuple[str, ...]
    reader: Reader


def find_raw(settings: PrepareSettings, domain: str, source: Source) -> RawFiles:
    """Find the raw files that the settings name, or that lie in their folder.

    Args:
        settings: Names a folder, or files.
        domain: The domain's id.
        source: What is known of its raw data.

    Raises:
        UserError: A file is missing, several fit, or their format is not one of the domain's.
    """
    formats = (settings.format,) if settings.format else source.formats
    if unknown := [name for name in formats if name not in source.formats]:
        raise UserError(f"{domain} has no format {unknown[0]!r}", do=f"choose from {', '.join(source.formats)}")
    if not settings.raw and not settings.ratings:
        raise UserError("nothing says where the raw files are", do="name a folder with --raw, or files with --ratings")
    readers = [READERS[name] for name in formats]
    patterns = [pattern for reader in readers for pattern in reader.rating_files]
    there = _own(files_below(settings.raw), patterns, settings.raw, domain, source) if settings.raw else []
    ratings = settings.ratings or _find(there, patterns, source, settings.raw)
    if not ratings:
        names = ", ".join(dict.fromkeys(pattern.format(source.category) for pattern in patterns))
        raise NoRawFile(
            f"there is no ratings file of {domain}; looked for {names} (and .gz, .zst)",
            where=settings.raw,
            do="name another --raw, or the file itself with --ratings",
        )
    for path in (*ratings, *settings.meta):
        if not exists(path):
            raise UserError("there is no such file", where=path, do="name a file that is there")
    given = READERS[settings.format] if settings.format else None
    found = [given or find_reader(path, formats, domain) for path in ratings]
    if any(reader is not found[0] for reader in found):
        raise UserError("the ratings files are of different formats", where=", ".join(ratings), do="prepare one format")
    meta = settings.meta or _find(there, found[0].meta_files, source, settings.raw)
    if not meta and settings.untitled == "drop":
        names = ", ".join(pattern.format(source.category) for pattern in found[0].meta_files)
        raise UserError(
            f"there is no file with the titles of {domain}; looked for {names} (and .gz, .zst)",
            where=settings.raw or ratings[0],
            do="put it beside the ratings, name it with --meta, or go without titles with --untitled keep",
        )
    for path in meta:
        if holds_ratings(path, found[0]):
            raise UserError(
                "the file holds ratings, not titles", where=path, do="name the file of the items with --meta"
            )
    return RawFiles(tuple(ratings), tuple(meta), found[0])


def _own(there: Sequence[str], patterns: Sequence[str], raw: str, domain: str, source: Source) -> Sequence[str]:
    """Of files below a folder those in the domain's own folder, if there are ratings in it."""
    names = {domain, *BUILTIN[domain].aliases, *source.folders}
    own = [path for path in there if names & set(path[len(raw.rstrip("/")) :].split("/")[:-1])]
    return own if any(_fitting(own, pattern, source) for pattern in patterns) else there


def _fitting(there: Sequence[str], pattern: str, source: Source) -> list[str]:
    """The files whose name fits a pattern, compressed or not."""
    expression = re.escape(pattern.format(source.category)) + COMPRESSED
    return [path for path in there if re.fullmatch(expression, path.rpartition("/")[2], re.IGNORECASE)]


def _find(there: Sequence[str], patterns: Sequence[str], source: Source, raw: str) -> tuple[str, ...]:
    """The file whose name fits the first pattern that any name fits."""
    for pattern in patterns:
        fitting = _fitting(there, pattern, source)
        if len(fitting) > 1:
            raise UserError(
                f"several files fit: {', '.join(fitting)}",
                where=raw,
                do="name one with --ratings or --meta (several, separated by commas, are read together), "
                "or remove the others",
            )
        if fitting:
            return tuple(fitting)
    return ()
