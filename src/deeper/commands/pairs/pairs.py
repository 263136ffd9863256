"""`deeper pairs`: preference pairs from runs of `deeper sample` and `deeper reward`.

contexts, directions, rewards of each run ─▶ cases ─▶ pooled ─▶ pairs ─▶ train and validation, as Parquet and JSON lines
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from deeper.behaviour.load import load_windows
from deeper.commands.pairs.settings import PairSettings
from deeper.commands.sample.settings import SampleSettings
from deeper.domains import Domain
from deeper.errors import UserError
from deeper.learning.preferences.choose_pairs import Paired, check_split, pairs, quantiles, split
from deeper.learning.preferences.rewarded_contexts import Case, cases, pooled
from deeper.learning.preferences.schema import CONTEXT, DIRECTION
from deeper.learning.preferences.schema import REWARD as REWARD_SCHEMA
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.storage.layout import CONTEXTS, DIRECTIONS, MANIFEST
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import resolve

REWARDS, REWARD = "rewards.parquet", "reward.json"
TABLES = ((CONTEXTS, CONTEXT), (DIRECTIONS, DIRECTION), (REWARDS, REWARD_SCHEMA))
TRAIN, VALIDATION, PAIRS = "train", "validation", "pairs.json"


def make_pairs(settings: PairSettings, runs: Sequence[Path], out: Path) -> dict[str, Any]:
    """Make preference pairs of rewarded directions.

    Args:
        settings: Which pairs.
        runs: Run folders of `deeper sample` that `deeper reward` has been through.
        out: The folder to write: train and validation pairs (of validation users, `behaviour.splits`) as Parquet and as
            JSON lines, and pairs.json. Where it holds pairs of the same settings and runs, nothing is done.

    Returns:
        The content of `pairs.json`.

    Raises:
        UserError: A run is not finished or not rewarded, its reward is not to be trusted, the runs do not fit together,
            the thresholds leave no pair, or the folder holds something else.
    """
    if not runs:
        raise UserError("there is no run to make pairs of", do="name a run folder of deeper sample and deeper reward")
    if len({run.resolve() for run in runs}) < len(runs):
        raise UserError("a run is named twice", where=", ".join(map(str, runs)), do="name each once")
    found = [_open(run) for run in runs]
    if (out / PAIRS).is_file():
        return _already(settings, found, out)
    _check_together(found)
    if not settings.force:
        _check_trust(found)
    pool, left_out = _pool(found)
    paired = pairs(pool, settings.rule)
    train, validation = split(paired.table)
    check_split(train, validation)
    if not train.num_rows:
        raise UserError(
            f"all {validation.num_rows} pairs are of validation users, whom nothing may learn from",
            where=", ".join(str(run.folder.path) for run in found),
            do="sample for more users, and for other parts than validation (deeper sample --parts b,validation)",
        )
    report = _report(settings, found, pool, left_out, paired, train, validation)
    write_pair_folder(RunFolder(out, settings), train, validation, report)
    return report


def write_pair_folder(folder: RunFolder, train: pa.Table, validation: pa.Table, report: Mapping[str, Any]) -> None:
    """Write pairs as Parquet and JSON lines, and pairs.json last."""
    with folder.held():
        for name, table in ((TRAIN, train), (VALIDATION, validation)):
            folder.write_table(f"{name}.parquet", table)
            folder.write_text(f"{name}.jsonl", "".join(map(_line, table.to_pylist())))
        folder.write_json(PAIRS, report)


@dataclass(frozen=True)
class _Run:
    """A rewarded run."""

    folder: RunFolder
    sampled: SampleSettings
    digest: str
    manifest: Mapping[str, Any]
    reward: Mapping[str, Any]

    @property
    def measured(self) -> dict[str, Any]:
        """What its reward is."""
        return {name: self.reward["config"][name] for name in ("reward", "weights")}

    @property
    def reality(self) -> Mapping[str, Any]:
        """What was found out about its reward, over all domains."""
        return [entry for entry in self.reward["reality"] if entry["measure"] == self.measured["reward"]][-1]


def _open(run: Path) -> _Run:
    if not (run / MANIFEST).is_file() or not (run / DIRECTIONS).is_file():
        raise UserError("there is no finished run of deeper sample", where=str(run), do="run deeper sample first")
    if not (run / REWARD).is_file() or not (run / REWARDS).is_file():
        raise UserError("the run has no rewards", where=str(run), do=f"run deeper reward {run} first")
    sampled = resolve(SampleSettings, run / "config.toml", {})
    folder, digest = RunFolder(run, sampled), blake2b(digest_size=8)
    for name in (CONTEXTS, DIRECTIONS, REWARDS):
        digest.update((run / name).read_bytes())
    return _Run(folder, sampled, digest.hexdigest(), folder.read_json(MANIFEST), folder.read_json(REWARD))


def _already(settings: PairSettings, found: Sequence[_Run], out: Path) -> dict[str, Any]:
    """The report of a folder that holds these pairs."""
    report = RunFolder(out, settings).read_json(PAIRS)
    if [run["digest"] for run in report["runs"]] != [run.digest for run in found]:
        raise UserError(
            "the folder holds pairs of other runs, or of other rewards of theirs",
            where=str(out),
            do="choose another --out, or delete the folder to start anew",
        )
    return report


def _check_together(found: Sequence[_Run]) -> None:
    """Refuse runs whose prompts or rewards are not comparable."""
    compared: list[tuple[str, list[Any]]] = [
        ("versions of the prompts", [run.manifest["prompt_version"] for run in found]),
        ("max_persona_tokens", [run.sampled.max_persona_tokens for run in found]),
        ("rewards", [run.measured for run in found]),
    ]
    for name, values in compared:
        if any(value != values[0] for value in values):
            each = ", ".join(f"{run.folder.path} {value}" for run, value in zip(found, values, strict=True))
            raise UserError(
                f"the runs have different {name} ({each})",
                do="make pairs of runs that agree, or sample or reward one of them again",
            )


def _check_trust(found: Sequence[_Run]) -> None:
    for run in found:
        if not run.reward["trustworthy"]:
            value, (low, high) = run.reality["reliability"]["value"], run.reality["reliability"]["ci"]
            known = "not known" if value is None else f"{value:.2f}"
            interval = "" if low is None else f" [{low:.2f}, {high:.2f}]"
            raise UserError(
                f"the reward is not to be trusted: its reliability is {known}{interval}, "
                f"of {run.reality['users']} users; it takes {run.reward['min_reliability']}, surely above 0, and "
                f"{run.reward['min_users']} users",
                where=str(run.folder.path),
                do="sample for more users, reward with a better predictor, or learn from it all the same with --force",
            )


def _pool(found: Sequence[_Run]) -> tuple[list[Case], Counter[str]]:
    """The cases of all runs, and what was left out of them."""
    listed: list[list[Case]] = []
    left_out: Counter[str] = Counter()
    for run in found:
        prompts = _prompts(run)
        domains: Mapping[str, Domain] = load_windows(run.sampled.data, run.sampled.domains or None).domains
        contexts, directions, rewards = (run.folder.read_table(*one) for one in TABLES)
        own, lost = cases(contexts, directions, rewards, prompts, run.sampled.max_persona_tokens, domains)
        listed.append(own)
        left_out.update(lost)
    pool, repeated = pooled(listed)
    left_out["duplicate"] += repeated
    return pool, left_out


def _prompts(run: _Run) -> Prompts:
    """The templates that a run was sampled with, which pairs must repeat to the letter."""
    prompts = load_prompts(Path(run.sampled.prompts) if run.sampled.prompts else None)
    if prompts.version != run.manifest["prompt_version"]:
        raise UserError(
            f"the run was sampled with prompts of version {run.manifest['prompt_version']}, which are now of version "
            f"{prompts.version}",
            where=str(run.folder.path),
            do="bring the old prompts back, or sample again",
        )
    return prompts


def _report(
    settings: PairSettings,
    found: Sequence[_Run],
    pool: Sequence[Case],
    left_out: Mapping[str, int],
    paired: Paired,
    train: pa.Table,
    validation: pa.Table,
) -> dict[str, Any]:
    rewards: dict[str, list[float]] = {}
    for case in pool:
        rewards.setdefault(case.domain, []).extend(direction.r for direction in case.directions)
    return {
        **provenance(),
        "config": settings.model_dump(mode="json"),
        "rule": {**asdict(settings.rule), "margins": dict(paired.margins)},
        "prompt_version": found[0].manifest["prompt_version"],
        "max_persona_tokens": found[0].sampled.max_persona_tokens,
        "reward": found[0].measured,
        "runs": [
            {
                "run": run.folder.path.name,
                "digest": run.digest,
                "sampled": run.sampled.model_dump(mode="json"),
                "engines": run.manifest["engines"],
                "predictors": run.reward["predictors"],
                "reliability": run.reality["reliability"],
                "users": run.reality["users"],
                "trustworthy": run.reward["trustworthy"],
            }
            for run in found
        ],
        "counts": {
            **paired.counts,
            **left_out,
            **{name: told(table) for name, table in ((TRAIN, train), (VALIDATION, validation))},
        },
        "rewards": {name: {"directions": len(own), **quantiles(own)} for name, own in rewards.items() if own},
    }


def told(table: pa.Table) -> dict[str, Any]:
    """How many `PAIR` rows of whom, and how far apart, as pairs.json tells it."""
    rows = table.drop_columns(["prompt", "chosen", "rejected"]).to_pylist()
    margins = [row["r_chosen"] - row["r_rejected"] for row in rows if row["r_chosen"] is not None]
    return {
        "pairs": len(rows),
        "users": len({(row["domain"], row["user"]) for row in rows}),
        "of_domain": dict(sorted(Counter(row["domain"] for row in rows).items())),
        "of_refinement": {str(k): n for k, n in sorted(Counter(row["k"] for row in rows).items())},
        "mean_margin": sum(margins) / len(margins) if margins else None,
    }


def _line(row: Mapping[str, Any]) -> str:
    """A pair as TRL's conversational preference format has it, on one line."""
    answers = {name: [{"role": "assistant", "content": row[name]}] for name in ("chosen", "rejected")}
    return json.dumps({"prompt": row["prompt"], **answers}, ensure_ascii=False) + "\n"
