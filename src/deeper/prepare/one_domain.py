"""`deeper prepare`: turn the raw files of one domain into behaviour, windows and contexts.

OUT/config.toml         the settings
OUT/work/               intermediate files, so that an interrupted run can continue; removed at the end
OUT/behaviour.parquet   the sampled users' ratings in time order
OUT/windows.parquet     W0, W1, … of each
OUT/contexts.parquet    previous, current and future window of each refinement
OUT/rejects.parquet     bad lines: file, line, reason
OUT/prepare.json        counts of what was read, left out and merged; versions; a hash of the code
OUT/published/          the published layouts, with --published
"""

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deeper.behaviour.published.domain_folder import write_published
from deeper.behaviour.published.hub_contexts import write_hub
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.users import CONTEXT_WINDOWS
from deeper.domains import BUILTIN
from deeper.errors import UserError
from deeper.prepare.clean_titles import write_titles
from deeper.prepare.database import database, path_list
from deeper.prepare.item_categories import write_categories
from deeper.prepare.merge_buckets import MergeRule, merge_bucket
from deeper.prepare.raw.blocks import file_fingerprint
from deeper.prepare.raw.find import RawFiles, find_raw_files
from deeper.prepare.raw.text_records import OnRecords
from deeper.prepare.raw_to_parquet import StagedFile, Staging, rejected_lines, stage_meta, stage_ratings
from deeper.prepare.sample_users import check_key_place, key_fingerprint, read_key, sample_users
from deeper.prepare.settings import PrepareSettings
from deeper.prepare.sources import Source, find_source
from deeper.prepare.tables import write_tables
from deeper.storage.code_hash import code_hash
from deeper.storage.parquet import read_parquet
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder

REPORT_FILE, REJECTS_FILE, PUBLISHED_FOLDERS = "prepare.json", "rejects.parquet", ("published", "published_hub")
BUCKET_ROWS = 4_000_000
ROW_BYTES = {("json", False): 400, ("json", True): 75, ("csv", False): 25, ("csv", True): 8}
"""Typical bytes of a rating, by record format and whether the file is compressed; decides the number of buckets."""

REJECTS = pa.schema([pa.field("file", pa.string(), nullable=False), pa.field("line", pa.int64(), nullable=False),
                     pa.field("reason", pa.string(), nullable=False)])  # fmt: skip
"""A bad line: name of its file, number from 1, and reason. Its text is left out because it holds raw ids."""

TOLERATED_BAD_LINES = 10
"""So many bad lines never stop a run, however short the file, unless `max_rejects` is 0."""


@dataclass(frozen=True)
class Options:
    """How to run; none of this changes the tables.

    Attributes:
        key_file: File of the secret key for the new user ids; made if missing.
        memory_gib: Memory limit of the database, in GiB.
        max_rejects: Share of bad lines above which a run stops, 0 to 1.
        published: Whether to write the published layouts too.
    """

    key_file: Path
    memory_gib: float = 2.0
    max_rejects: float = 0.001
    published: bool = False


def prepare(settings: PrepareSettings, out: Path, options: Options, console: Console) -> dict[str, Any]:
    """Prepare one domain.

    An interrupted run continues. A finished one is repeated only if a raw file or the code has changed.

    Args:
        settings: What to do.
        out: The output folder.
        options: How to run.
        console: For progress (standard error).

    Returns:
        The report, as in prepare.json.

    Raises:
        UserError: A raw file is missing, damaged or in another format; too many lines are bad; no user has enough
            ratings; or the folder holds something else or cannot be written.
    """
    domain, source = find_source(settings.domain)
    raw = find_raw_files(settings, domain, source)
    check_key_place(options.key_file, out)
    if options.published and (settings.windows or source.windows) < CONTEXT_WINDOWS:
        raise UserError(
            f"the published layouts hold contexts, and a context takes {CONTEXT_WINDOWS} windows",
            do=f"leave out --published, or give --windows {CONTEXT_WINDOWS} or more",
        )
    folder = RunFolder(out, settings)
    with folder.held():
        inputs = [file_fingerprint(path) for path in (*raw.ratings, *raw.meta)]
        # `code_hash` follows imports, and a reader is found by its name.
        reader = blake2b(repr(raw.reader).encode(), digest_size=8).hexdigest()
        code = f"{code_hash(prepare)}-{reader}"
        report = folder.read_json(REPORT_FILE) if folder.has(REPORT_FILE) else {}
        is_same_input = report.get("inputs") == inputs
        is_done = is_same_input and report.get("code") == code
        # A finished folder needs no key, and the user may have deleted it.
        key = read_key(options.key_file) if options.key_file.exists() or not is_same_input else b""
        if is_same_input and (report["key"] != key_fingerprint(key) if key else not is_done):
            raise UserError(
                "the folder was made with another key"
                if key
                else "the code of deeper prepare has changed, and the key of this folder's user ids is missing",
                where=str(out),
                do="name its key with --key-file, or choose another --out",
            )
        if not is_done:
            if report:
                changed = "the code of deeper prepare" if is_same_input else "a raw file"
                console.print(f"{domain}: {changed} has changed: preparing again", markup=False, highlight=False)
            for name in PUBLISHED_FOLDERS:
                if folder.has(name):
                    folder.remove(name)
            report = _Run(settings, domain, source, raw, folder, options, console).run(key)
            report = {**provenance(), "inputs": inputs, "code": code, "key": key_fingerprint(key), **report}
            folder.write_json(REPORT_FILE, report)
            shutil.rmtree(out / "work", ignore_errors=True)
        if options.published:
            _publish(out, domain)
    return report


class _Run:
    """Runs the steps from the raw files of one domain to its tables."""

    def __init__(
        self, settings: PrepareSettings, domain: str, source: Source, raw: RawFiles, folder: RunFolder,
        options: Options, console: Console,
    ) -> None:  # fmt: skip
        self._settings, self._domain, self._source, self._raw = settings, BUILTIN[domain], source, raw
        self._folder, self._options = folder, options
        self._work = folder.path / "work"
        self._bars = Progress(
            SpinnerColumn(), TextColumn("{task.description}: {task.completed:,.0f}"), TimeElapsedColumn(),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._console = console
        self._windows = settings.windows or source.windows

    def run(self, key: bytes) -> dict[str, Any]:
        self._folder.bind()
        self._work.mkdir(parents=True, exist_ok=True)
        with self._bars, database(self._work / "spill", self._options.memory_gib) as con:
            staged, metas = self._stage(con)
            titles, categories = self._work / "titles.parquet", self._work / "categories.parquet"
            title_counts = write_titles(con, metas, titles)
            counts, kept = self._merge(con, staged, titles)
            if counts["untitled"] and counts["untitled"] == counts["rows"] - counts["repeats"]:
                raise UserError(
                    "the file has a title for none of the rated items",
                    where=", ".join(self._raw.meta),
                    do="check whether this is the domain's meta file, or keep the ratings with --untitled keep",
                )
            sampled = self._sample(con, kept, key)
            self._print(f"writing the tables of {sampled.num_rows} users")
            name, separator = self._domain.id, self._raw.reader.category_separator
            categorised = write_categories(con, metas, kept, sampled, name, separator, categories)
            tables = write_tables(con, kept, titles, categories, sampled, name, self._windows, self._folder.path)
            bad = self._write_rejects(con, (*staged, *metas))
        splits = Counter(sampled["split"].to_pylist())
        return {
            "domain": self._domain.id,
            "format": self._raw.reader.name,
            "windows": self._windows,
            "lines": sum(one.lines for one in staged),
            "rejected": sum(one.rejected for one in staged),
            "reasons": dict(Counter(line["reason"] for line in bad)),
            "ratings": dict(counts),
            "titles": dict(title_counts),
            "categories": categorised,
            "sampled": {"train": splits["train"], "eval": splits["eval"]},
            "wanted": dict(zip(("train", "eval"), self._wanted(), strict=True)),
            "tables": tables,
        }

    def _wanted(self) -> tuple[int, int]:
        train, held = self._settings.train_users, self._settings.eval_users
        return (self._source.train if train < 0 else train), (self._source.eval if held < 0 else held)

    def _print(self, text: str) -> None:
        self._console.print(f"{self._domain.id}: {text}", markup=False, highlight=False)

    def _stage(self, con: duckdb.DuckDBPyConnection) -> tuple[list[StagedFile], list[StagedFile]]:
        buckets = _bucket_count(self._raw)
        staged: list[StagedFile] = []
        metas: list[StagedFile] = []
        for path in self._raw.ratings:
            staging = Staging(con, self._work, self._line_progress(path))
            staged.append(stage_ratings(staging, path, self._raw.reader, self._domain, buckets))
            self._check_rejects(con, staged[-1])
        for path in self._raw.meta:
            staging = Staging(con, self._work, self._line_progress(path))
            metas.append(stage_meta(staging, path, self._raw.reader))
            self._check_rejects(con, metas[-1])
        return staged, metas

    def _line_progress(self, path: str) -> OnRecords:
        task = self._bars.add_task(f"lines of {path.rpartition('/')[2]}".replace("[", "\\["), total=None)
        return lambda records: self._bars.advance(task, records)

    def _check_rejects(self, con: duckdb.DuckDBPyConnection, file: StagedFile) -> None:
        """Stop if too many lines are bad."""
        self._print(f"{file.path.rpartition('/')[2]}: {file.lines:,} lines, {file.rejected:,} of them bad")
        share = self._options.max_rejects
        limit = max(TOLERATED_BAD_LINES, share * file.lines) if share else 0
        if file.rejected > limit or file.rejected == file.lines:
            bad = self._write_rejects(con, [file])
            raise UserError(
                f"{file.rejected} of {file.lines} lines are bad; the first: {bad[0]['reason']}",
                where=f"{file.path}, line {bad[0]['line']}",
                do=f"check whether this is the domain's file (all bad lines: {self._folder.path / REJECTS_FILE}), "
                "or allow more with --max-rejects",
            )

    def _write_rejects(self, con: duckdb.DuckDBPyConnection, files: Sequence[StagedFile]) -> list[dict[str, Any]]:
        """Write the bad lines of some files, and return them."""
        bad = [line for file in files for line in rejected_lines(con, file)]
        named = [{**line, "file": line["file"].rpartition("/")[2]} for line in bad]
        self._folder.write_table(REJECTS_FILE, pa.Table.from_pylist(named, schema=REJECTS))
        return bad

    def _merge(
        self, con: duckdb.DuckDBPyConnection, staged: Sequence[StagedFile], titles: Path
    ) -> tuple[Counter[str], list[Path]]:
        rule = MergeRule(self._source.keep, self._windows * RECIPE.window_size, self._settings.untitled == "drop")
        folder = self._work / "kept"
        folder.mkdir(exist_ok=True)
        counts: Counter[str] = Counter()
        kept: list[Path] = []
        task = self._bars.add_task("buckets of users merged", total=None)
        for bucket in range(_bucket_count(self._raw)):
            kept.append(folder / f"{bucket}.parquet")
            counts.update(merge_bucket(con, staged, bucket, titles, self._domain, rule, kept[-1]))
            self._bars.advance(task, 1)
        return counts, kept

    def _sample(self, con: duckdb.DuckDBPyConnection, kept: Sequence[Path], key: bytes) -> pa.Table:
        found = con.execute(f"SELECT DISTINCT user, n FROM read_parquet({path_list(list(kept))})").fetchall()
        train, held = self._wanted()
        sampled = sample_users(found, train, held, self._domain.id, key)
        if not sampled.num_rows:
            needed = self._windows * RECIPE.window_size
            raise UserError(
                f"no user was sampled: {len(found)} users have the {needed} ratings that {self._windows} windows take",
                where=", ".join(self._raw.ratings),
                do="give fewer --windows, more --train-users or --eval-users, or the whole raw file",
            )
        return sampled


def _bucket_count(raw: RawFiles) -> int:
    """How many buckets give each about `BUCKET_ROWS` rows."""
    rows = sum(
        int(file_fingerprint(path)[1] or 0)
        / ROW_BYTES[raw.reader.record_format, path.endswith((".gz", ".zst", ".zstd"))]
        for path in raw.ratings
    )
    return max(1, math.ceil(rows / BUCKET_ROWS))


def _publish(out: Path, domain: str) -> None:
    """Write the published layouts unless they exist; leftovers of a killed run are removed."""
    windows = read_parquet(out / "windows.parquet")
    ours, hub = (out / name for name in PUBLISHED_FOLDERS)
    for abandoned in (*ours.glob(".*.partial"), *out.glob(f".{hub.name}.*.partial")):
        shutil.rmtree(abandoned)
    folder = ours / (*BUILTIN[domain].aliases, domain)[0]
    if not folder.exists():
        write_published(windows, folder)
    if not hub.exists():
        write_hub(windows, hub)
