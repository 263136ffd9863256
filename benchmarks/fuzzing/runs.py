"""Targets that read files of earlier commands: run folders, shards, pairs, personas, keys, checkpoints."""

import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from deeper.behaviour.splits import part
from deeper.commands.evaluate.evaluate import SEALED, evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.progress import RunProgress
from deeper.commands.export.to_llamafactory import read_json
from deeper.commands.pairs.pair_folder import read_pairs
from deeper.evaluation.runs.load_run import load_run
from deeper.learning.examples.policy_personas import read_personas
from deeper.learning.preferences.schema import PAIR
from deeper.learning.training.checkpoints import CHECKPOINTS, WHOLE, newest_whole
from deeper.prepare.sample_users import read_key
from deeper.report.pages.run_page import page
from deeper.storage import layout
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST, Stage
from fuzzing.data import csv_bytes, events, no_text, parquet_bytes
from fuzzing.target import Read, SilentChange, Target, same

QUIET = Console(quiet=True)
RUN_FILES = (*SEALED, layout.SEARCH_FILE, layout.MANIFEST_FILE)
SHARED = "DEEPER_FUZZ_SHARED"
"""Environment variable with a folder that all processes share, so that one makes the run for all."""
SCRIPTED = {"policy_engine": "scripted", "predictor_engine": "scripted"}


@cache
def finished_run() -> Path:
    """Return a small finished run of two users with the scripted engine; copied, never changed."""
    shared = os.environ.get(SHARED)
    root = Path(shared) / "finished-run" if shared else Path(mkdtemp(prefix="fuzz-run-"))
    if (root / "run" / layout.MANIFEST_FILE).is_file():
        return root / "run"
    data = root / "data"
    data.mkdir(parents=True)
    (data / "behaviour.csv").write_bytes(csv_bytes(events(users=6, count=30)))
    (data / "domain.toml").write_text('id = "coves"\nname = "Coves"\nitem_noun = "cove"\nscale = [1, 5, 1]\n', "utf-8")
    chosen = {"users": 1, "rounds": 1, "search_n": 2, "methods": ("refine", "frozen", "user_median")}
    evaluate(Settings(data=str(data), **chosen, **SCRIPTED), root / "run", QUIET)
    return root / "run"


def report_of(name: str) -> Callable[[Path], Read]:
    """Report a run with one foreign file; the report must not show it as if the run had written it."""

    def make(folder: Path) -> Read:
        run = folder / "run"
        shutil.copytree(finished_run(), run)
        whole = (run / name).read_bytes()

        def read(data: bytes) -> None:
            (run / name).write_bytes(data)
            page(load_run(run))
            if data != whole and not _means_the_same(name, data, whole):
                raise SilentChange("the report shows a file that the run did not write")

        return read

    return make


def _means_the_same(name: str, data: bytes, whole: bytes) -> bool:
    return name.endswith(".json") and json.loads(data) == json.loads(whole)


def shard(kind: str) -> Callable[[Path], Read]:
    """Resume a run with one foreign shard (or its cost); the stage gives its rows, or refuses."""
    made = pa.table({"user": ["a", "b"], "text": ["one", "two"], "n": pa.array([1.5, None], pa.float32())})
    stage = Stage("stage", lambda table: made, made.schema, {}, 2)

    def make(folder: Path) -> Read:
        run = RunFolder(folder / "run", Settings(**SCRIPTED))
        rows = pa.table({"row": [1, 2]})
        LocalExecutor(run, RunProgress(QUIET), {}).run(stage, rows)
        [path] = (folder / "run" / kind).glob("*.parquet")

        def read(data: bytes) -> None:
            path.write_bytes(data)
            executor = LocalExecutor(run, RunProgress(QUIET), {})
            same(executor.run(stage, rows), made, "a shard")
            pa.Table.from_pylist(executor.costs, schema=COST)

        return read

    return make


def shards(kind: str) -> Callable[[Path], list[bytes]]:
    """The shard as it was written, and a Parquet file that holds other things."""

    def seeds(folder: Path) -> list[bytes]:
        [path] = (folder / "run" / kind).glob("*.parquet")
        return [path.read_bytes(), parquet_bytes(pa.table({"row": [1]}))]

    return seeds


def pairs(name: str) -> Callable[[Path], Read]:
    """Read the folder of `deeper pairs` with one foreign file."""

    def make(folder: Path) -> Read:
        for one in ("train", "validation"):
            (folder / f"{one}.parquet").write_bytes(pair_table(one))
        (folder / "pairs.json").write_text('{"templates": {"refine": "p"}}', "utf-8")

        def read(data: bytes) -> None:
            (folder / name).write_bytes(data)
            found = read_pairs(folder)
            same(pq.read_table(pa.BufferReader(parquet_bytes(found.train))), found.train, "the table of pairs")
            same(len(found.users) <= found.train.num_rows, True, "the number of users")

        return read

    return make


def pair_table(split: str) -> bytes:
    """Return one preference pair as Parquet, of a train or a validation user."""
    users = map(str, range(1000))
    user = next(one for one in users if (part("domain", one) == "validation") is (split == "validation"))
    text = {name: name for name in ("domain", "parent", "method", "chosen", "rejected", "chosen_id", "rejected_id")}
    prompt = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    row = {**text, "user": user, "k": 1, "prompt": prompt, "r_chosen": 0.5, "r_rejected": -0.5}
    return parquet_bytes(pa.Table.from_pylist([row], schema=PAIR))


def policy_texts(folder: Path) -> Read:
    """Read a table of personas to train a predictor on."""

    def read(data: bytes) -> None:
        (folder / "personas.parquet").write_bytes(data)
        for (domain, user, k), texts in read_personas([folder / "personas.parquet"]).items():
            same([type(domain), type(user), type(k)], [str, str, int], "a key")
            same({type(text) for text in texts}, {str}, "a text")

    return read


def persona_tables(folder: Path) -> list[bytes]:
    """A run's personas, and tables that hold something else."""
    one = pa.table({"user": ["u"], "domain": ["coves"], "k": [0], "text": no_text(1)})
    none = one.set_column(3, "text", pa.array([None], pa.string())).set_column(0, "user", pa.array([None], pa.string()))
    other = one.set_column(3, "text", pa.array([[1.5]]))
    return [*seeds_of("personas.parquet")(folder), *map(parquet_bytes, (one, none, other))]


def json_file(folder: Path) -> Read:
    """Read a JSON file of a run folder in both ways that exist."""
    run = RunFolder(folder / "run", Settings(**SCRIPTED))
    run.bind()

    def read(data: bytes) -> None:
        (folder / "run" / "some.json").write_bytes(data)
        value: Any = run.read_json("some.json")
        same(value, read_json(folder / "run" / "some.json"), "an object")
        run.write_json("again.json", value)
        same(value, run.read_json("again.json"), "an object")

    return read


def stored_settings(folder: Path) -> Read:
    """Open a run folder with a foreign config.toml."""
    run = folder / "run"
    RunFolder(run, Settings(**SCRIPTED)).bind()

    def read(data: bytes) -> None:
        (run / "config.toml").write_bytes(data)
        RunFolder(run, Settings(**SCRIPTED))

    return read


def key_file(folder: Path) -> Read:
    """Read the key of user ids."""

    def read(data: bytes) -> None:
        (folder / "key").write_bytes(data)
        same(len(read_key(folder / "key")), 32, "a key's length")

    return read


def checkpoint(folder: Path) -> Read:
    """Look for a whole checkpoint, where one has a foreign mark."""
    path = folder / CHECKPOINTS / "checkpoint-5"

    def read(data: bytes) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "weights").write_bytes(b"1234")
        (path / WHOLE).write_bytes(data)
        newest_whole(folder)

    return read


def seeds_of(name: str) -> Callable[[Path], list[bytes]]:
    """Return the file of the finished run."""
    return lambda folder: [(finished_run() / name).read_bytes()]


RUNS = (
    *(Target(f"run_{name.replace('.', '_')}", report_of(name), seeds_of(name)) for name in RUN_FILES),
    Target("run_config", stored_settings, lambda folder: [(folder / "run" / "config.toml").read_bytes()]),
    Target("run_json", json_file, seeds_of("calibration.json")),
    Target("shard", shard("stage"), shards("stage")),
    Target("shard_cost", shard("cost"), shards("cost")),
    Target("pairs_json", pairs("pairs.json"), lambda _: [b'{"templates": {"refine": "p"}}', b'["templates"]']),
    Target("pairs_train", pairs("train.parquet"), lambda _: [pair_table("train"), pair_table("validation")]),
    Target("policy_personas", policy_texts, persona_tables),
    Target("key_file", key_file, lambda _: [b"0" * 64 + b"\n", b"00 " * 32]),
    Target("checkpoint_mark", checkpoint, lambda _: [b'{"weights": 4}', b'{"weights": "4"}', b"[]"]),
)
