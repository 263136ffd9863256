"""`deeper prepare`: the raw files of one domain to behaviour, windows and contexts.

OUT/config.toml         the settings
OUT/work/               what an interrupted run goes on with; removed at the end
OUT/behaviour.parquet   the sampled users' ratings in time order
OUT/windows.parquet     W0, W1, … of each
OUT/contexts.parquet    previous, current and future window of each refinement
OUT/rejects.parquet     bad lines: file, line, reason
OUT/prepare.json        counts of all that was read, left out and merged; versions
OUT/published/          the published layouts, if asked for
"""

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deeper.behaviour.published.domain_folder import write_published
from deeper.behaviour.published.hub_contexts import write_hub
from deeper.behaviour.windows import WINDOW_SIZE
from deeper.domains import BUILTIN
from deeper.errors import UserError
from deeper.prepare.clean_titles import write_titles
from deeper.prepare.database import database, path_list
from deeper.prepare.merge_buckets import Rule, merge_bucket
from deeper.prepare.raw.blocks import fingerprint
from deeper.prepare.raw.find import RawFiles, find_raw
from deeper.prepare.raw_to_parquet import Staged, rejects, stage_meta, stage_ratings
from deeper.prepare.sample_users import check_place, choose_users, key_mark, read_key
from deeper.prepare.settings import PrepareSettings
from deeper.prepare.sources import Source, find_source
from deeper.prepare.tables import write_tables
from deeper.storage.parquet import read_parquet
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder

REPORT, REJECTED, PUBLISHED = "prepare.json", "rejects.parquet", ("published", "published_hub")
BUCKET_ROWS = 4_000_000
ROW_BYTES = {("json", False): 400, ("json", True): 75, ("csv", False): 25, ("csv", True): 8}
"""Bytes of a rating in a file, by kind of records and whether the file is compressed; to choose how many buckets."""

REJECTS = pa.schema([pa.field("file", pa.string(), nullable=False), pa.field("line", pa.int64(), nullable=False),
                     pa.field("reason", pa.string(), nullable=False)])  # fmt: skip
"""A bad line: name of its file, number from 1, and why. The line itself stays in the raw file, with its raw ids."""

FEW = 10
"""Bad lines that never stop a run, however short the file, unless none may be bad."""
LEAST_WINDOWS = 3
"""Of a context, which the published layouts hold."""


@dataclass(frozen=True)
class Options:
    """What does not decide what comes out.

    Attributes:
        key_file: The secret key of the new user ids; made if it is not there.
        memory_gib: Memory that the database keeps to.
        max_rejects: Share of bad lines in a file from which on a run stops.
        published: Whether to write the published layouts, too.
    """

    key_file: Path
    memory_gib: float = 2.0
    max_rejects: float = 0.001
    published: bool = False


def prepare(settings: PrepareSettings, out: Path, options: Options, console: Console) -> dict[str, Any]:
    """Prepare one domain; an interrupted run continues, and a finished one is not repeated.

    Args:
        settings: What to do.
        out: The output folder.
        options: How to do it.
        console: For progress (standard error).

    Returns:
        The report, as in prepare.json.

    Raises:
        UserError: A raw file is missing, damaged or of another kind, too many lines are bad, no user is long enough,
            or the folder holds something else or cannot be written.
    """
    domain, source = find_source(settings.domain)
    raw = find_raw(settings, domain, source)
    check_place(options.key_file, out)
    if options.published and (settings.windows or source.windows) < LEAST_WINDOWS:
        raise UserError(
            f"the published layouts hold contexts of {LEAST_WINDOWS} windows", do="leave out --published, or take more"
        )
    folder = RunFolder(out, settings)
    with folder.held():
        inputs = [fingerprint(path) for path in (*raw.ratings, *raw.meta)]
        report = folder.read_json(REPORT) if folder.has(REPORT) else {}
        is_done = report.get("inputs") == inputs
        # What is done needs no key any more, and its owner may have deleted it.
        key = read_key(options.key_file) if options.key_file.exists() or not is_done else b""
        if is_done and key and report["key"] != key_mark(key):
            raise UserError(
                "the folder was made with another key", where=str(out), do="give its --key-file, or another --out"
            )
        if not is_done:
            for name in PUBLISHED:
                if folder.has(name):
                    folder.remove(name)
            report = _Run(settings, domain, source, raw, folder, options, console).run(key)
            report = {**provenance(), "inputs": inputs, "key": key_mark(key), **report}
            folder.write_json(REPORT, report)
            shutil.rmtree(out / "work", ignore_errors=True)
        if options.published:
            _publish(out, domain)
    return report


class _Run:
    """One domain from its raw files to its tables."""

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
        self._work.mkdir(parents=True, exist_ok=True)
        with self._bars, database(self._work / "spill", self._options.memory_gib) as con:
            staged, metas = self._stage(con)
            titles, title_counts = self._work / "titles.parquet", Counter[str]()
            title_counts = write_titles(con, metas, titles)
            counts, kept = self._merge(con, staged, titles)
            if counts["untitled"] and counts["untitled"] == counts["rows"] - counts["repeats"]:
                raise UserError(
                    "no item that was rated has a title there",
                    where=", ".join(self._raw.meta),
                    do="see whether this is the domain's file of titles, or keep ratings with --untitled keep",
                )
            chosen = self._choose(con, kept, key)
            self._say(f"writing the tables of {chosen.num_rows} users")
            tables = write_tables(con, kept, titles, chosen, self._domain.id, self._windows, self._folder.path)
            bad = self._write_rejects(con, (*staged, *metas))
        splits = Counter(chosen["split"].to_pylist())
        return {
            "domain": self._domain.id,
            "format": self._raw.reader.name,
            "windows": self._windows,
            "lines": sum(one.lines for one in staged),
            "rejected": sum(one.rejected for one in staged),
            "reasons": dict(Counter(line["reason"] for line in bad)),
            "ratings": dict(counts),
            "titles": dict(title_counts),
            "sampled": {"train": splits["train"], "eval": splits["eval"]},
            "wanted": dict(zip(("train", "eval"), self._wanted(), strict=True)),
            "tables": tables,
        }

    def _wanted(self) -> tuple[int, int]:
        train, held = self._settings.train_users, self._settings.eval_users
        return (self._source.train if train < 0 else train), (self._source.eval if held < 0 else held)

    def _say(self, text: str) -> None:
        self._console.print(f"{self._domain.id}: {text}", markup=False, highlight=False)

    def _stage(self, con: duckdb.DuckDBPyConnection) -> tuple[list[Staged], list[Staged]]:
        buckets = _buckets(self._raw)
        staged: list[Staged] = []
        metas: list[Staged] = []
        for path in self._raw.ratings:
            task = self._bars.add_task(f"lines of {path.rpartition('/')[2]}".replace("[", "\\["), total=None)
            staged.append(
                stage_ratings(
                    con,
                    path,
                    self._raw.reader,
                    self._domain,
                    buckets,
                    self._work,
                    lambda rows, task=task: self._bars.advance(task, rows),
                )  # fmt: skip
            )
            self._check(con, staged[-1])
        for path in self._raw.meta:
            task = self._bars.add_task(f"lines of {path.rpartition('/')[2]}".replace("[", "\\["), total=None)
            metas.append(
                stage_meta(
                    con, path, self._raw.reader, self._work, lambda rows, task=task: self._bars.advance(task, rows)
                )
            )
            self._check(con, metas[-1])
        return staged, metas

    def _check(self, con: duckdb.DuckDBPyConnection, one: Staged) -> None:
        """Stop where too many lines are bad."""
        self._say(f"{one.path.rpartition('/')[2]}: {one.lines:,} lines, {one.rejected:,} of them bad")
        share = self._options.max_rejects
        if one.rejected > (max(FEW, share * one.lines) if share else 0) or one.rejected == one.lines:
            bad = self._write_rejects(con, [one])
            raise UserError(
                f"{one.rejected} of {one.lines} lines are bad; the first: {bad[0]['reason']}",
                where=f"{one.path}, line {bad[0]['line']}",
                do=f"see whether this is the domain's file (all bad lines: {self._folder.path / REJECTED}), "
                "or allow more with --max-rejects",
            )

    def _write_rejects(self, con: duckdb.DuckDBPyConnection, files: Sequence[Staged]) -> list[dict[str, Any]]:
        """Write the bad lines of some files, and return them."""
        bad = [line for one in files for line in rejects(con, one)]
        named = [{**line, "file": line["file"].rpartition("/")[2]} for line in bad]
        self._folder.write_table(REJECTED, pa.Table.from_pylist(named, schema=REJECTS))
        return bad

    def _merge(
        self, con: duckdb.DuckDBPyConnection, staged: Sequence[Staged], titles: Path
    ) -> tuple[Counter[str], list[Path]]:
        rule = Rule(self._source.keep, self._windows * WINDOW_SIZE, self._settings.untitled == "drop")
        folder = self._work / "kept"
        folder.mkdir(exist_ok=True)
        counts: Counter[str] = Counter()
        kept: list[Path] = []
        task = self._bars.add_task("buckets of users merged", total=None)
        for bucket in range(_buckets(self._raw)):
            kept.append(folder / f"{bucket}.parquet")
            counts.update(merge_bucket(con, staged, bucket, titles, self._domain, rule, kept[-1]))
            self._bars.advance(task, 1)
        return counts, kept

    def _choose(self, con: duckdb.DuckDBPyConnection, kept: Sequence[Path], key: bytes) -> pa.Table:
        found = con.execute(f"SELECT DISTINCT user, n FROM read_parquet({path_list(list(kept))})").fetchall()
        train, held = self._wanted()
        chosen = choose_users(found, train, held, self._domain.id, key)
        if not chosen.num_rows:
            needed = self._windows * WINDOW_SIZE
            raise UserError(
                f"no user was sampled: {len(found)} have the {needed} ratings that {self._windows} windows take",
                where=", ".join(self._raw.ratings),
                do="take fewer --windows, more --train-users or --eval-users, or the whole raw file",
            )
        return chosen


def _buckets(raw: RawFiles) -> int:
    """How many buckets keep each of them near `BUCKET_ROWS`."""
    rows = sum(
        int(fingerprint(path)[1] or 0) / ROW_BYTES[raw.reader.kind, path.endswith((".gz", ".zst", ".zstd"))]
        for path in raw.ratings
    )
    return max(1, math.ceil(rows / BUCKET_ROWS))


def _publish(out: Path, domain: str) -> None:
    """Write the published layouts, unless they are there; what a killed run has left of them goes."""
    windows = read_parquet(out / "windows.parquet")
    ours, hub = (out / name for name in PUBLISHED)
    for abandoned in (*ours.glob(".*.partial"), *out.glob(f".{hub.name}.*.partial")):
        shutil.rmtree(abandoned)
    folder = ours / (*BUILTIN[domain].aliases, domain)[0]
    if not folder.exists():
        write_published(windows, folder)
    if not hub.exists():
        write_hub(windows, hub)
