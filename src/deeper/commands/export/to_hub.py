"""`deeper export hub`: writes data sets and adapters as folders that are ready for the hub, each with a card."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deeper.behaviour import bundled
from deeper.behaviour.bundled import MOVIELENS_SMALL
from deeper.behaviour.load import Loaded, load_windows
from deeper.behaviour.published.domain_folder import write_published
from deeper.behaviour.published.hub_contexts import write_hub
from deeper.behaviour.published.hub_pairs import write_pairs
from deeper.behaviour.published.hub_personas import PUBLISHED_METHODS, write_personas
from deeper.behaviour.users import CONTEXT_WINDOWS, key_of
from deeper.behaviour.windows import strings
from deeper.commands.export.to_llamafactory import README, read_json
from deeper.commands.pairs.layout import REPORT as PAIRS_REPORT
from deeper.commands.pairs.layout import table_of
from deeper.commands.pairs.pair_folder import read_pairs
from deeper.domains import BUILTIN
from deeper.engine.adapter import CARD, CONFIG, METRICS, TENSORS, load_adapter, read_config
from deeper.engine.openvino.weights import WHEEL_SHA256
from deeper.errors import UserError
from deeper.learning.export.hub_cards import DataSet, adapter_card, dataset_card, without_places
from deeper.learning.training_record import training_record
from deeper.persona.schema import PERSONA
from deeper.storage.layout import MANIFEST_FILE, PERSONAS_FILE
from deeper.storage.new_folder import new_folder
from deeper.storage.parquet import read_parquet
from deeper.storage.provenance import provenance

KINDS = ("windows", "contexts", "pairs", "personas", "adapter")
SMALL_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
MOVIELENS_LICENSE = Path(bundled.__file__).with_name("data") / "MOVIELENS-LICENSE.txt"
"""Must accompany the bundled data everywhere."""


@dataclass(frozen=True)
class HubOptions:
    """What the export cannot find out by itself.

    Attributes:
        license: The hub's id of a licence.
        base_model: The hub's name of an adapter's base model; empty if the adapter's card names it.
        domains: Domains of windows and contexts to keep; all by default.
    """

    license: str = "other"
    base_model: str = ""
    domains: tuple[str, ...] = ()


def export_hub(kind: str, source: str, out: Path, options: HubOptions) -> str:
    """Write a folder to upload to the hub; deeper can read it from there and from disk.

    Args:
        kind: One of `KINDS`.
        source: For windows and contexts a value of `--data`; for pairs their folder; for personas a run folder; for an
            adapter its folder.
        out: An empty or new folder.
        options: Licence, base model and domains.

    Returns:
        A short summary of what was written.

    Raises:
        UserError: The source cannot be read, or the folder cannot be written.
    """
    with new_folder(out) as staging:
        if kind == "adapter":
            text, summary = _adapter(Path(source), staging, options)
        else:
            write = {"windows": _windows, "contexts": _contexts, "pairs": _pairs, "personas": _personas}[kind]
            data = write(source, staging, options)
            text, summary = dataset_card(data), ", ".join(f"{count} {name}" for name, count in data.counts.items())
            if MOVIELENS_SMALL in data.domains:
                shutil.copyfile(MOVIELENS_LICENSE, staging / MOVIELENS_LICENSE.name)
        (staging / README).write_text(text, "utf-8", newline="")
    return summary


def _adapter(source: Path, folder: Path, options: HubOptions) -> tuple[str, str]:
    adapter = load_adapter(source)
    deeper = without_places(read_json(adapter.folder / CARD))
    has_metrics = (adapter.folder / METRICS).is_file()
    metrics = without_places(read_json(adapter.folder / METRICS)) if has_metrics else {}
    trained_on = training_record(adapter).settings.get("base", "")
    named = options.base_model or (SMALL_BASE if adapter.base == WHEEL_SHA256[:12] else str(trained_on))
    if "/" not in named:
        raise UserError(
            "the hub's name of the adapter's base model is unknown",
            where=str(source),
            do="give it with --base-model",
        )
    config = read_config(adapter.folder) | {"base_model_name_or_path": named}
    shutil.copyfile(adapter.folder / TENSORS, folder / TENSORS)
    for name, value in ((CONFIG, config), (CARD, deeper), *(((METRICS, metrics),) if has_metrics else ())):
        _write_json(folder / name, value)
    published = replace(adapter, provenance=deeper["provenance"])
    return adapter_card(published, named, options.license, metrics), adapter.kind or ""


def _windows(source: str, folder: Path, options: HubOptions) -> DataSet:
    loaded = _load(source, options)
    for domain in loaded.domains:
        write_published(
            loaded.windows.filter(pc.is_in(loaded.windows["domain"], pa.array([domain], pa.string()))), folder / domain
        )
    configs = [
        (path.parent.parent.name, path.name.split("_")[0], _below(path, folder))
        for path in sorted(folder.glob("*/split_data/*.csv"))
    ]
    return replace(
        _of_windows(loaded, options),
        title="Windows of ratings",
        about="Each user's ratings in time order, cut into windows of ten. A row of split_data/*.csv is a user, with "
        "the titles (I0, I1, …) and the ratings (U0, U1, …) of each window. test_iterations/*.jsonl holds the eval "
        "users' contexts: a window with the one before and the one after it.",
        configs=configs,
    )


def _contexts(source: str, folder: Path, options: HubOptions) -> DataSet:
    loaded = _load(source, options)
    keys = [strings(loaded.windows, name) for name in ("domain", "split", "user")]
    users = list(zip(*keys, strict=True))
    counts = Counter(users)
    enough = {user for user, count in counts.items() if count >= CONTEXT_WINDOWS}
    kept = loaded.windows.filter(pa.array([user in enough for user in users], pa.bool_()))
    if not kept.num_rows:
        raise UserError(
            "no user has the three windows that a context needs", where=source, do="give data with longer histories"
        )
    write_hub(kept, folder)
    loaded = replace(loaded, windows=kept)
    splits = {"user_context_train": "train", "user_context_test": "test"}
    configs = [
        (path.stem, splits[path.parent.name], _below(path, folder))
        for path in sorted(folder.glob("*/iteration_*.json"))
    ]
    return replace(
        _of_windows(loaded, options),
        title="Contexts of persona refinement",
        about="A record of iteration k holds the windows before, at and after window k of a user: titles "
        "(I0, I1, …) and ratings (U0, U1, …).",
        configs=configs,
    )


def _load(source: str, options: HubOptions) -> Loaded:
    loaded = load_windows(source, options.domains or None)
    if own := sorted(loaded.domains.keys() - BUILTIN.keys()):
        raise UserError(
            f"the published layouts hold only built-in domains, which {', '.join(own)} is not",
            where=source,
            do="upload the folder with its domain.toml instead",
        )
    return loaded


def _of_windows(loaded: Loaded, options: HubOptions) -> DataSet:
    """What the cards of windows and of contexts share."""
    users = set(zip(*(strings(loaded.windows, name) for name in ("domain", "user", "split")), strict=True))
    splits = [split for _, _, split in users]
    counts = {
        "windows": loaded.windows.num_rows,
        "train users": splits.count("train"),
        "eval users": splits.count("eval"),
    }
    limits = ["Item ids and times are left out. Titles are those of the source, in its languages."]
    return DataSet(
        title="",
        about="",
        license=options.license,
        domains=sorted(loaded.domains),
        counts=counts,
        size=loaded.windows.num_rows,
        configs=(),
        usage=("deeper evaluate --data FOLDER_OR_NAME",),
        origin=provenance(),
        limits=[*limits, *loaded.notes],
    )


def _pairs(source: str, folder: Path, options: HubOptions) -> DataSet:
    pairs = read_pairs(Path(source))
    report = without_places(read_json(pairs.folder / PAIRS_REPORT))
    tables = {"train": pairs.train, "validation": pairs.validation}
    for name, table in tables.items():
        pq.write_table(table, folder / table_of(name), compression="zstd")
        if table.num_rows:
            published = [
                {**row, "prompt": "\n\n".join(m["content"] for m in row["prompt"])} for row in table.to_pylist()
            ]
            write_pairs(pa.Table.from_pylist(published), folder / f"{name}.json")
    _write_json(folder / PAIRS_REPORT, report)
    together = pa.concat_tables(tables.values())
    domains = sorted(set(strings(together, "domain")))
    users = set(zip(strings(together, "domain"), strings(together, "user"), strict=True))
    return DataSet(
        title="Preference pairs of persona refinements",
        about="Two refinements of one persona that answer one prompt. The user's ratings were predicted better from "
        "the chosen one. The Parquet files also hold the rewards; the JSON files hold the same pairs in alpaca form.",
        license=options.license,
        domains=domains,
        counts={**{f"pairs, {name}": table.num_rows for name, table in tables.items()}, "users": len(users)},
        size=together.num_rows,
        configs=[("default", name, table_of(name)) for name, table in tables.items() if table.num_rows],
        usage=("deeper train dpo --pairs FOLDER --out adapter",),
        origin=report,
        limits=(
            "A reward is the gain of one predictor over thirty ratings, so single pairs are noisy.",
            "Prompts hold titles of the users' items; user ids are those of the source.",
        ),
    )


def _personas(source: str, folder: Path, options: HubOptions) -> DataSet:
    path = Path(source) / PERSONAS_FILE
    try:
        table = read_parquet(path).cast(PERSONA)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            "the folder holds no personas", where=str(path), do="give a run folder of deeper evaluate"
        ) from error
    rows: list[dict[str, Any]] = [row for row in table.to_pylist() if row["stage"] == "final"]
    methods = sorted({row["method"] for row in rows} & PUBLISHED_METHODS.keys())
    first = [{**row, "method": method} for row in rows if row["method"] == "initialise" for method in methods]
    kept = [*first, *(row for row in rows if row["method"] in methods)]
    write_personas(pa.Table.from_pylist(kept, schema=PERSONA), folder / "model_output")
    manifest = read_json(Path(source) / MANIFEST_FILE)
    configs = [
        (f"{path.parent.name}_{path.stem.rpartition('_')[2]}", "test", _below(path, folder))
        for path in sorted(folder.glob("model_output/*/*.jsonl"))
    ]
    return DataSet(
        title="Evolving personas",
        about="Texts that describe users, round after round and by each method: S0 from the first window of ratings, "
        "S1 after the second, and so on.",
        license=options.license,
        domains=sorted({row["domain"] for row in kept}),
        counts={
            "personas": len(kept),
            "users": len(set(map(key_of, kept))),
            "methods": len(methods),
            "that name a title or a rating": sum(bool(row["leaks"]) for row in kept),
            "that could not be written (the older one was kept)": sum(bool(row["failure"]) for row in kept),
        },
        size=len(kept),
        configs=configs,
        usage=(),
        origin=without_places(manifest),
        limits=(
            "Personas describe what a user rated and nothing else about a person; they can be wrong.",
            "User ids are those of the source.",
        ),
    )


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="")
