"""Find the raw files of a domain in a folder, by their published names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deeper.domains import BUILTIN
from deeper.errors import UserError, choose_from
from deeper.prepare.raw.blocks import exists, files_below
from deeper.prepare.raw.reader import Reader
from deeper.prepare.raw.readers import READERS
from deeper.prepare.raw.recognise import find_reader, holds_ratings
from deeper.prepare.settings import PrepareSettings
from deeper.prepare.sources import Source

COMPRESSION_SUFFIX_PATTERN = r"(?:\.gz|\.zst|\.zstd)?"


class NoRawFile(UserError):
    """No ratings file of a domain was found. `prepare --all` expects this: few users have all ten domains."""


@dataclass(frozen=True)
class RawFiles:
    """The files of a domain and their reader; `meta` is empty without a meta file."""

    ratings: tuple[str, ...]
    meta: tuple[str, ...]
    reader: Reader


def find_raw_files(settings: PrepareSettings, domain: str, source: Source) -> RawFiles:
    """Find the raw files that the settings name, or those in the folder that they name.

    Args:
        settings: Name a folder, or files.
        domain: The domain's id.
        source: The domain's raw data.

    Raises:
        UserError: A file is missing, several files match, or a file is in none of the domain's formats.
    """
    formats = (settings.format,) if settings.format else source.formats
    if unknown := [name for name in formats if name not in source.formats]:
        raise UserError(f"{domain} has no format {unknown[0]!r}", do=choose_from(source.formats, *unknown))
    if not settings.raw and not settings.ratings:
        raise UserError("no raw files are named", do="name a folder with --raw, or files with --ratings")
    readers = [READERS[name] for name in formats]
    patterns = [pattern for reader in readers for pattern in reader.rating_files]
    paths = _in_domain_folder(files_below(settings.raw), patterns, settings.raw, domain, source) if settings.raw else []
    ratings = settings.ratings or _find_by_name(paths, patterns, source, settings.raw)
    if not ratings:
        names = ", ".join(dict.fromkeys(pattern.format(source.category) for pattern in patterns))
        raise NoRawFile(
            f"there is no ratings file of {domain}; looked for {names} (and .gz, .zst)",
            where=settings.raw,
            do="name another --raw, or the file itself with --ratings",
        )
    for path in (*ratings, *settings.meta):
        if not exists(path):
            raise UserError("there is no such file", where=path, do="check the path")
    given = READERS[settings.format] if settings.format else None
    found = [given or find_reader(path, formats, domain) for path in ratings]
    if any(reader is not found[0] for reader in found):
        raise UserError(
            "the ratings files are in different formats",
            where=", ".join(ratings),
            do="prepare the files of one format at a time",
        )
    meta = settings.meta or _find_by_name(paths, found[0].meta_files, source, settings.raw)
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
                "the file holds ratings, not titles", where=path, do="name the file with the titles with --meta"
            )
    return RawFiles(tuple(ratings), tuple(meta), found[0])


def _in_domain_folder(
    paths: Sequence[str], patterns: Sequence[str], raw: str, domain: str, source: Source
) -> Sequence[str]:
    """The files in the domain's own subfolder if it holds ratings, else all files."""
    names = {domain, *BUILTIN[domain].aliases, *source.folders}
    inside = [path for path in paths if names & set(path[len(raw.rstrip("/")) :].split("/")[:-1])]
    return inside if any(_matching(inside, pattern, source) for pattern in patterns) else paths


def _matching(paths: Sequence[str], pattern: str, source: Source) -> list[str]:
    """The files whose name matches a pattern, compressed or not."""
    expression = re.escape(pattern.format(source.category)) + COMPRESSION_SUFFIX_PATTERN
    return [path for path in paths if re.fullmatch(expression, path.rpartition("/")[2], re.IGNORECASE)]


def _find_by_name(paths: Sequence[str], patterns: Sequence[str], source: Source, raw: str) -> tuple[str, ...]:
    """The file that matches the first pattern with a match; empty if no pattern has one."""
    for pattern in patterns:
        matching = _matching(paths, pattern, source)
        if len(matching) > 1:
            raise UserError(
                f"several files match: {', '.join(matching)}",
                where=raw,
                do="name one with --ratings or --meta (several, separated by commas, are read together), "
                "or remove the others",
            )
        if matching:
            return tuple(matching)
    return ()
