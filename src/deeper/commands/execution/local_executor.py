"""The local executor: runs a stage shard by shard and skips shards that are already there.

The name of a shard is `INDEX-WHAT-CODE`: WHAT is a hash of the stage's name, its settings and the shard's rows, CODE
one of the code that makes its content. `_code.json` beside the shards keeps the modules that each CODE stands for.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from deeper.commands.execution.progress import RunProgress
from deeper.engine import Engine, Usage
from deeper.storage.code_hash import joint_hash
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST, PlannedStage, Rows, Stage

CODE = "_code.json"
"""Readers of Parquet folders skip names that begin with an underscore."""


class LocalExecutor:
    """Runs stages one after another in this process."""

    def __init__(
        self, folder: RunFolder, progress: RunProgress, engines: Mapping[str, Engine], *, reuse_shards: bool = False
    ) -> None:
        """Run in `folder`.

        Args:
            folder: Keeps the shards.
            progress: Shows how far it is.
            engines: Are asked what each shard has cost.
            reuse_shards: Take shards that were made by other code than today's.
        """
        self._folder, self._progress, self._reuse = folder, progress, reuse_shards
        self._engines = {id(engine): engine for engine in engines.values()}.values()
        self.costs: list[dict[str, Any]] = []
        self.reused: dict[str, list[str]] = {}
        """By stage the modules that have changed since the shards were made that `reuse_shards` has taken."""

    def expect(self, stages: Sequence[PlannedStage]) -> None:
        """Tell the progress which stages will come."""
        self._progress.expect(stages)

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        """Run a stage over rows; the output keeps the order of the shards."""
        parts: list[pa.Table] = []
        self._compare_code(stage)
        with self._progress.stage(stage.name, rows.num_rows) as progress:
            for index, start in enumerate(range(0, rows.num_rows, stage.shard_rows)):
                shard = rows.slice(start, stage.shard_rows)
                name = self._find(stage, f"{index:05d}-{_digest(stage, shard)}")
                path, cost_path = f"{stage.name}/{name}.parquet", f"cost/{stage.name}-{name}.parquet"
                if self._folder.has(path) and self._folder.has(cost_path):
                    progress.advance(shard.num_rows, None, 0.0)
                else:
                    before, began = self._usage(), time.monotonic()
                    result = stage.function(shard).cast(stage.schema)
                    usage, seconds = self._usage() - before, time.monotonic() - began
                    cost = {"stage": stage.name, "shard": name, **vars(usage), "seconds": seconds}
                    self._keep_code(stage)
                    self._folder.write_table(cost_path, pa.Table.from_pylist([cost], schema=COST))
                    self._folder.write_table(path, result)
                    progress.advance(shard.num_rows, usage, seconds)
                parts.append(self._folder.read_table(path, stage.schema))
                self.costs += self._folder.read_table(cost_path, COST).to_pylist()
        return pa.concat_tables(parts) if parts else stage.schema.empty_table()

    def _find(self, stage: Stage, what: str) -> str:
        """The name of a shard: of today's code, or with `reuse_shards` of any code that has made it."""
        name = f"{what}-{joint_hash(stage.code)}"
        if self._reuse and not self._folder.has(f"{stage.name}/{name}.parquet"):
            found = sorted((self._folder.path / stage.name).glob(f"{what}-*.parquet"))
            return found[0].stem if found else name
        return name

    def _compare_code(self, stage: Stage) -> None:
        """Say which shards were made by other code."""
        today = joint_hash(stage.code)
        shards = [shard.stem for shard in sorted((self._folder.path / stage.name).glob("*.parquet"))]
        made_today = {shard.partition("-")[0] for shard in shards if shard.endswith(today)}
        outdated = [shard for shard in shards if shard.partition("-")[0] not in made_today]
        if outdated:
            before = self._known_code(stage).get(outdated[-1].rpartition("-")[2], {})
            changed = [name for name in sorted({*before, *stage.code}) if before.get(name) != stage.code.get(name)]
            self._say(stage.name, outdated, changed)

    def _known_code(self, stage: Stage) -> dict[str, dict[str, str]]:
        """The modules behind each hash of code in the names of the shards."""
        path = f"{stage.name}/{CODE}"
        return self._folder.read_json(path) if self._folder.has(path) else {}

    def _keep_code(self, stage: Stage) -> None:
        known, today = self._known_code(stage), joint_hash(stage.code)
        if today not in known:
            self._folder.write_json(f"{stage.name}/{CODE}", {**known, today: stage.code})

    def _say(self, stage: str, outdated: Sequence[str], changed: list[str]) -> None:
        why = f"{stage}: the code has changed since ({', '.join(changed)})"
        count = f"{len(outdated)} shard{'' if len(outdated) == 1 else 's'}"
        if self._reuse:
            self.reused[stage] = changed
            what = f"{count} reused"
        else:
            costs = [f"cost/{stage}-{shard}.parquet" for shard in outdated]
            calls = sum(row["calls"] for cost in costs for row in self._folder.read_table(cost, COST).to_pylist())
            what = f"{count} to make again, {calls} calls; --reuse-shards keeps what is there"
        self._progress.note(f"{why}: {what}")

    def _usage(self) -> Usage:
        total = Usage()
        for engine in self._engines:
            used = engine.usage
            total = Usage(**{name: getattr(total, name) + value for name, value in vars(used).items()})
        return total


def _digest(stage: Stage, shard: pa.Table) -> str:
    """Hash of all but code that decides a shard's output."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([stage.name, dict(stage.settings)], sort_keys=True).encode())
    # Equal tables may be chunked or sliced differently in memory: take() lays the rows out anew.
    compact = shard.take(pa.array(range(shard.num_rows), pa.int64())).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, compact.schema) as writer:
        writer.write_table(compact)
    digest.update(memoryview(sink.getvalue()))
    return digest.hexdigest()
