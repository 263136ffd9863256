"""`deeper export hub`: data sets and adapters as folders that are ready for the hub, each with a card."""

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
from deeper.behaviour.users import CONTEXT_WINDOWS
from deeper.behaviour.windows import strings
from deeper.commands.export.to_llamafactory import README, read_json
from deeper.commands.pairs.pair_folder import ABOUT, read_pairs
from deeper.domains import BUILTIN
from deeper.engine.adapter import CARD, CONFIG, METRICS, TENSORS, load_adapter, read_config
from deeper.engine.openvino.weights import WHEEL_SHA256
from deeper.errors import UserError
from deeper.learning.export.hub_cards import DataSet, adapter_card, dataset_card, without_places
from deeper.persona.schema import PERSONA
from deeper.storage.layout import MANIFEST, PERSONAS
from deeper.storage.new_folder import new_folder
from deeper.storage.parquet import read_parquet
from deeper.storage.provenance import provenance

KINDS = ("windows", "contexts", "pairs", "personas", "adapter")
SMALL_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
MOVIELENS_LICENSE = Path(bundled.__file__).with_name("data") / "MOVIELENS-LICENSE.txt"
"""Has to go wherever the bundled data goes."""


@dataclass(frozen=True)
class HubOptions:
    """What the card cannot know by itself.

    Attributes:
        license: The hub's id of a licence.
        base_model: The hub's name of an adapter's base model; empty takes what the adapter tells.
        domains: Domains to keep, of windows and contexts; all by default.
    """

    license: str = "other"
    base_model: str = ""
    domains: tuple[str, ...] = ()


def export_hub(kind: str, source: str, out: Path, options: HubOptions) -> str:
    """Write a folder that can be uploaded to the hub as it is, and read back from there or from its place.

    Args:
        kind: One of `KINDS`.
        source: What `--data` takes, for windows and contexts; a folder of pairs; a run folder, for personas; a folder
            of an adapter.
        out: A folder that is empty or not there yet.
        options: What the card says besides.

    Returns:
        What was written, in a few words.

    Raises:
        UserError: The source cannot be read, or the folder not be written.
    """
    with new_folder(out) as staging:
        if kind == "adapter":
            text, said = _adapter(Path(source), staging, options)
        else:
            write = {"windows": _windows, "contexts": _contexts, "pairs": _pairs, "personas": _personas}[kind]
            data = write(source, staging, options)
            text, said = dataset_card(data), ", ".join(f"{count} {name}" for name, count in data.counts.items())
            if MOVIELENS_SMALL in data.domains:
                shutil.copyfile(MOVIELENS_LICENSE, staging / MOVIELENS_LICENSE.name)
        (staging / README).write_text(text, "utf-8", newline="")
    return said


def _adapter(source: Path, folder: Path, options: HubOptions) -> tuple[str, str]:
    adapter = load_adapter(source)
    deeper = without_places(read_json(adapter.folder / CARD))
    has_metrics = (adapter.folder / METRICS).is_file()
    metrics = without_places(read_json(adapter.folder / METRICS)) if has_metrics else {}
    trained_on = deeper["provenance"].get("settings", {}).get("base", "")
    named = options.base_model or (SMALL_BASE if adapter.base == WHEEL_SHA256[:12] else str(trained_on))
    if "/" not in named:
        raise UserError(
            "nothing tells the hub's name of the adapter's base model",
            where=str(source),
            do="name it with --base-model",
        )
    config = read_config(adapter.folder) | {"base_model_name_or_path": named}
    shutil.copyfile(adapter.folder / TENSORS, folder / TENSORS)
    for name, value in ((CONFIG, config), (CARD, deeper), *(((METRICS, metrics),) if has_metrics else ())):
        _write_json(folder / name, value)
    told = replace(adapter, provenance=deeper["provenance"])
    return adapter_card(told, named, options.license, metrics), adapter.kind or ""


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
        about="Each user's ratings in time order, cut into windows of ten: a row of split_data/*.csv is a user, with "
        "the titles (I0, I1, …) and the ratings (U0, U1, …) of each window; test_iterations/*.jsonl holds the eval "
        "users' contexts, a window with the one before and the one behind it.",
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
        raise UserError("no user has three windows, which a context takes", where=source, do="give longer histories")
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
        about="A record of iteration k holds the windows before, at and behind window k of a user: titles "
        "(I0, I1, …) and ratings (U0, U1, …).",
        configs=configs,
    )


def _load(source: str, options: HubOptions) -> Loaded:
    loaded = load_windows(source, options.domains or None)
    if own := sorted(loaded.domains.keys() - BUILTIN.keys()):
        raise UserError(
            f"the published layouts hold built-in domains only, and {', '.join(own)} is none",
            where=source,
            do="upload the folder with domain.toml as it is",
        )
    return loaded


def _of_windows(loaded: Loaded, options: HubOptions) -> DataSet:
    """What the cards of windows and of contexts have in common."""
    users = set(zip(*(strings(loaded.windows, name) for name in ("domain", "user", "split")), strict=True))
    splits = [split for _, _, split in users]
    counts = {
        "windows": loaded.windows.num_rows,
        "train users": splits.count("train"),
        "eval users": splits.count("eval"),
    }
    limits = ["Item ids and times are left out; titles are as the source has them, in the source's languages."]
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
    report = without_places(read_json(pairs.folder / ABOUT))
    tables = {"train": pairs.train, "validation": pairs.validation}
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
        if table.num_rows:
            published = [
                {**row, "prompt": "\n\n".join(m["content"] for m in row["prompt"])} for row in table.to_pylist()
            ]
            write_pairs(pa.Table.from_pylist(published), folder / f"{name}.json")
    _write_json(folder / ABOUT, report)
    together = pa.concat_tables(tables.values())
    domains = sorted(set(strings(together, "domain")))
    users = set(zip(strings(together, "domain"), strings(together, "user"), strict=True))
    return DataSet(
        title="Preference pairs of persona refinements",
        about="Two refinements of one persona that answer one prompt: after the chosen one the user's ratings were "
        "predicted better. The Parquet files hold the rewards too; the JSON files the same pairs in the alpaca form.",
        license=options.license,
        domains=domains,
        counts={**{f"pairs, {name}": table.num_rows for name, table in tables.items()}, "users": len(users)},
        size=together.num_rows,
        configs=[("default", name, f"{name}.parquet") for name, table in tables.items() if table.num_rows],
        usage=("deeper train dpo --pairs FOLDER --out adapter",),
        origin=report,
        limits=(
            "A reward is the gain of one predictor over thirty ratings: single pairs are noisy.",
            "Prompts hold titles of the users' items; user ids are those of the source.",
        ),
    )


def _personas(source: str, folder: Path, options: HubOptions) -> DataSet:
    path = Path(source) / PERSONAS
    try:
        table = read_parquet(path).cast(PERSONA)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError("there are no personas", where=str(path), do="give a folder of deeper evaluate") from error
    rows: list[dict[str, Any]] = [row for row in table.to_pylist() if row["stage"] == "final"]
    methods = sorted({row["method"] for row in rows} & PUBLISHED_METHODS.keys())
    first = [{**row, "method": method} for row in rows if row["method"] == "initialise" for method in methods]
    kept = [*first, *(row for row in rows if row["method"] in methods)]
    write_personas(pa.Table.from_pylist(kept, schema=PERSONA), folder / "model_output")
    manifest = read_json(Path(source) / MANIFEST)
    configs = [
        (f"{path.parent.name}_{path.stem.rpartition('_')[2]}", "test", _below(path, folder))
        for path in sorted(folder.glob("model_output/*/*.jsonl"))
    ]
    return DataSet(
        title="Evolving personas",
        about="Texts that describe users, round after round: S0 from the first window of ratings, S1 after the second, "
        "and so on, by each method.",
        license=options.license,
        domains=sorted({row["domain"] for row in kept}),
        counts={
            "personas": len(kept),
            "users": len({(row["domain"], row["user"]) for row in kept}),
            "methods": len(methods),
            "that name a title or a rating": sum(bool(row["leaks"]) for row in kept),
            "that could not be written (the older one kept)": sum(bool(row["failure"]) for row in kept),
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
