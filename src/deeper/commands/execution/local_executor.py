"""The local executor: runs a stage shard by shard in this process, and skips shards that are already there.

Of a shard with failures it asks only the failed rows again (`Stage.ask_again`) and keeps the others.

Takes a stage and its input rows, returns the output rows, which stay in the run folder as Parquet shards. A shard's
name is `INDEX-INPUT-CODE`. INPUT is a hash of the stage's name, its settings and the shard's input rows. CODE is a hash
of the code that shapes its content. `_code.json` beside the shards lists the modules behind each CODE, so the executor
can say which module has changed.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from deeper.commands.execution.progress import RunProgress, StageProgress
from deeper.engine import Engine, Usage, server_notes
from deeper.storage.code_hash import joint_hash
from deeper.storage.failed_rows import failed_inputs, with_new_rows
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST, PlannedStage, Rows, Stage

CODE_FILE = "_code.json"
"""Readers of Parquet folders skip names that begin with an underscore."""
NOTES_FILE = "cost/_server_notes.json"
"""Keeps `LocalExecutor.server_notes` for a run that is continued."""


class LocalExecutor:
    """Runs stages in this process, one after another, and keeps their shards in a run folder."""

    def __init__(
        self, folder: RunFolder, progress: RunProgress, engines: Mapping[str, Engine], *, reuse_shards: bool = False
    ) -> None:
        """Prepare to run stages in `folder`.

        Args:
            folder: Keeps the shards.
            progress: Shows how far the run is.
            engines: The engines that the stages use. Their usage is recorded as the cost of each shard.
            reuse_shards: Keep shards that were made by code that has changed since.
        """
        self._folder, self._progress, self._reuse = folder, progress, reuse_shards
        self._engines = {id(engine): engine for engine in engines.values()}.values()
        self._kinds: dict[str, str] = {}
        self._not_started: set[str] = set()
        self.costs: list[dict[str, Any]] = []
        self.reused: dict[str, list[str]] = {}
        """The stages whose outdated shards `reuse_shards` has kept, each with the modules that have changed since."""

    @property
    def server_notes(self) -> list[str]:
        """What servers refused since the run began, and what they were asked for instead."""
        kept: list[str] = self._folder.read_json(NOTES_FILE)["notes"] if self._folder.has(NOTES_FILE) else []
        return list(dict.fromkeys([*kept, *(note for engine in self._engines for note in server_notes(engine))]))

    def expect(self, stages: Sequence[PlannedStage]) -> None:
        """Announce the stages of the run. It has started once a shard of each kind of stage is there."""
        self._progress.expect(stages)
        self._kinds = {stage.name: stage.kind for stage in stages if stage.rows}
        self._not_started = set(self._kinds.values())

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        """Run a stage over rows; the output keeps the order of the shards."""
        parts: list[pa.Table] = []
        self._compare_code(stage)
        with self._progress.stage(stage.name, rows.num_rows) as progress:
            for index, start in enumerate(range(0, rows.num_rows, stage.shard_rows)):
                shard = rows.slice(start, stage.shard_rows)
                name = self._shard_name(stage, f"{index:05d}-{_digest(stage, shard)}")
                self._record_reuse(stage, name)
                path, cost_path = _paths(stage, name)
                if not (self._folder.has(path) and self._folder.has(cost_path)):
                    result, usage, seconds = self._call(stage, shard)
                    self._write(stage, name, result, {**vars(usage), "seconds": seconds})
                    progress.advance(shard.num_rows, usage, seconds)
                else:
                    self._finish(stage, name, shard, progress)
                parts.append(self._folder.read_table(path, stage.schema))
                self.costs += self._folder.read_table(cost_path, COST).to_pylist()
        return pa.concat_tables(parts) if parts else stage.schema.empty_table()

    def _finish(self, stage: Stage, name: str, shard: pa.Table, progress: StageProgress) -> None:
        """Ask for the rows again that failed in a shard that is there."""
        self._not_started.discard(self._kinds.get(stage.name, ""))
        path, cost_path = _paths(stage, name)
        kept = self._folder.read_table(path, stage.schema)
        again = failed_inputs(shard, kept, stage.ask_again)
        progress.advance(shard.num_rows - again.num_rows, None, 0.0)
        if again.num_rows:
            new, usage, seconds = self._call(stage, again)
            [before] = self._folder.read_table(cost_path, COST).to_pylist()
            spent = {**vars(usage), "seconds": seconds}
            cost = {part: before[part] + value for part, value in spent.items()}
            self._write(stage, name, with_new_rows(kept, new, stage.ask_again), cost)
            progress.advance(again.num_rows, usage, seconds, is_again=True)

    def _call(self, stage: Stage, rows: pa.Table) -> tuple[pa.Table, Usage, float]:
        """A stage's output for some rows, with what it has used and its seconds."""
        before, began = self._usage(), time.monotonic()
        with self._progress.shard(lambda: self._usage() - before):
            result = stage.function(rows).cast(stage.schema)
        return result, self._usage() - before, time.monotonic() - began

    def _write(self, stage: Stage, name: str, result: pa.Table, cost: Mapping[str, Any]) -> None:
        path, cost_path = _paths(stage, name)
        self._not_started.discard(self._kinds.get(stage.name, ""))
        self._folder.bind(has_started=not self._not_started)
        self._keep_code(stage)
        if notes := self.server_notes:
            self._folder.write_json(NOTES_FILE, {"notes": notes})
        row = {"stage": stage.name, "shard": name, **cost}
        self._folder.write_table(cost_path, pa.Table.from_pylist([row], schema=COST))
        self._folder.write_table(path, result)

    def _shard_name(self, stage: Stage, stem: str) -> str:
        """`stem` with the hash of the current code or, with `reuse_shards`, of any code that has made this shard."""
        name = f"{stem}-{joint_hash(stage.code)}"
        if self._reuse and not self._folder.has(f"{stage.name}/{name}.parquet"):
            others = (self._folder.path / stage.name).glob(f"{stem}-*.parquet")
            return max(((path.stat().st_mtime_ns, path.stem) for path in others), default=(0, name))[1]
        return name

    def _compare_code(self, stage: Stage) -> None:
        """Report shards that were made by other code and have no counterpart of the current code."""
        current = joint_hash(stage.code)
        shards = [shard.stem for shard in sorted((self._folder.path / stage.name).glob("*.parquet"))]
        up_to_date = {shard.partition("-")[0] for shard in shards if shard.endswith(current)}
        outdated = [shard for shard in shards if shard.partition("-")[0] not in up_to_date]
        if outdated:
            self._report_outdated(stage.name, outdated, self._changed(stage, outdated[-1]))

    def _record_reuse(self, stage: Stage, shard: str) -> None:
        """Record the modules that have changed since a shard was made, if any."""
        if not shard.endswith(joint_hash(stage.code)):
            self.reused[stage.name] = sorted({*self.reused.get(stage.name, []), *self._changed(stage, shard)})

    def _changed(self, stage: Stage, shard: str) -> list[str]:
        """The modules that have changed since a shard was made."""
        before = self._known_code(stage).get(shard.rpartition("-")[2], {})
        return [name for name in sorted({*before, *stage.code}) if before.get(name) != stage.code.get(name)]

    def _known_code(self, stage: Stage) -> dict[str, dict[str, str]]:
        """For each hash of code in the names of shards, its modules with their hashes."""
        path = f"{stage.name}/{CODE_FILE}"
        return self._folder.read_json(path) if self._folder.has(path) else {}

    def _keep_code(self, stage: Stage) -> None:
        known, current = self._known_code(stage), joint_hash(stage.code)
        if current not in known:
            self._folder.write_json(f"{stage.name}/{CODE_FILE}", {**known, current: stage.code})

    def _report_outdated(self, stage: str, outdated: Sequence[str], changed: list[str]) -> None:
        why = f"{stage}: the code has changed since ({', '.join(changed)})"
        count = f"{len(outdated)} shard{'' if len(outdated) == 1 else 's'}"
        if self._reuse:
            what = f"{count} kept where the input is the same"
        else:
            costs = [self._folder.read_table(f"cost/{stage}-{shard}.parquet", COST) for shard in outdated]
            calls = sum(row["calls"] for cost in costs for row in cost.to_pylist())
            what = f"{count} to make again, {calls} calls; --reuse-shards keeps what is there"
        self._progress.note(f"{why}: {what}")

    def _usage(self) -> Usage:
        total = Usage()
        for engine in self._engines:
            used = engine.usage
            total = Usage(**{name: getattr(total, name) + value for name, value in vars(used).items()})
        return total


def _paths(stage: Stage, name: str) -> tuple[str, str]:
    """The files of a shard and of its cost."""
    return f"{stage.name}/{name}.parquet", f"cost/{stage.name}-{name}.parquet"


def _digest(stage: Stage, shard: pa.Table) -> str:
    """A hash of everything but code that decides a shard's output."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([stage.name, dict(stage.settings)], sort_keys=True).encode())
    # Equal tables may be chunked or sliced differently in memory; take() copies the rows into one layout.
    compact = shard.take(pa.array(range(shard.num_rows), pa.int64())).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, compact.schema) as writer:
        writer.write_table(compact)
    digest.update(memoryview(sink.getvalue()))
    return digest.hexdigest()
