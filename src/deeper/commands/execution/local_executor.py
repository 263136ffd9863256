"""The local executor: runs a stage shard by shard and skips shards that are already there."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from deeper.commands.execution.progress import RunProgress
from deeper.engine import Engine, Usage
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST, Rows, Stage


class LocalExecutor:
    """Runs stages one after another in this process."""

    def __init__(self, folder: RunFolder, progress: RunProgress, engines: Mapping[str, Engine]) -> None:
        """Run in `folder`; `engines` are asked what each shard has cost."""
        self._folder, self._progress = folder, progress
        self._engines = {id(engine): engine for engine in engines.values()}.values()
        self.costs: list[dict[str, Any]] = []

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        """Run a stage over rows; the output keeps the order of the shards."""
        parts: list[pa.Table] = []
        with self._progress.stage(stage.name, rows.num_rows) as progress:
            for index, start in enumerate(range(0, rows.num_rows, stage.shard_rows)):
                shard = rows.slice(start, stage.shard_rows)
                name = f"{index:05d}-{_digest(stage, shard)}"
                path, cost_path = f"{stage.name}/{name}.parquet", f"cost/{stage.name}-{name}.parquet"
                if self._folder.has(path) and self._folder.has(cost_path):
                    progress.advance(shard.num_rows, None, 0.0)
                else:
                    before, began = self._usage(), time.monotonic()
                    result = stage.function(shard).cast(stage.schema)
                    usage, seconds = self._usage() - before, time.monotonic() - began
                    cost = {"stage": stage.name, "shard": name, **vars(usage), "seconds": seconds}
                    self._folder.write_table(cost_path, pa.Table.from_pylist([cost], schema=COST))
                    self._folder.write_table(path, result)
                    progress.advance(shard.num_rows, usage, seconds)
                parts.append(self._folder.read_table(path, stage.schema))
                self.costs += self._folder.read_table(cost_path, COST).to_pylist()
        return pa.concat_tables(parts) if parts else stage.schema.empty_table()

    def _usage(self) -> Usage:
        total = Usage()
        for engine in self._engines:
            used = engine.usage
            total = Usage(**{name: getattr(total, name) + value for name, value in vars(used).items()})
        return total


def _digest(stage: Stage, shard: pa.Table) -> str:
    """Hash of all that decides a shard's output."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([stage.name, stage.version, dict(stage.settings)], sort_keys=True).encode())
    # Equal tables may be chunked or sliced differently in memory: take() lays the rows out anew.
    compact = shard.take(pa.array(range(shard.num_rows), pa.int64())).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, compact.schema) as writer:
        writer.write_table(compact)
    digest.update(memoryview(sink.getvalue()))
    return digest.hexdigest()
