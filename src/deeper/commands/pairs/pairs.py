"""`deeper pairs`: preference pairs from runs of `deeper sample` and `deeper reward`.

contexts, directions and rewards of each run ─▶ rewarded contexts ─▶ merged ─▶ pairs ─▶ train and validation sets
─▶ as many pairs to learn from for each updater
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from deeper.behaviour.load import load_windows
from deeper.behaviour.recipe import RECIPE as BEHAVIOUR_RECIPE
from deeper.commands.execution.own_updaters import sampled_updaters
from deeper.commands.pairs.layout import REPORT, TRAIN, VALIDATION, lines_of, table_of
from deeper.commands.pairs.report import PairCounts, PairSource, PairsReport
from deeper.commands.pairs.settings import PairSettings
from deeper.commands.sample.settings import SampleSettings
from deeper.domains import Domain
from deeper.errors import UserError
from deeper.learning.preferences.choose_pairs import (
    ChosenPairs,
    check_split,
    choose_pairs,
    equally_many,
    quantiles,
    split_pairs,
    summed,
)
from deeper.learning.preferences.reality_report import RewardReport, read_reward_report
from deeper.learning.preferences.recipe import PAIR_RECIPE, REWARD_RECIPE
from deeper.learning.preferences.rewarded_contexts import LeftOut, RewardedContext, pool_runs, rewarded_contexts
from deeper.learning.preferences.schema import CONTEXT, DIRECTION, REWARD
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.persona.updaters import MODULES, Updaters
from deeper.storage.code_hash import own_hash
from deeper.storage.layout import CONTEXTS_FILE, DIRECTIONS_FILE, MANIFEST_FILE, REWARD_REPORT_FILE, REWARDS_FILE
from deeper.storage.provenance import dump_recipes, provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import resolve

TABLES = ((CONTEXTS_FILE, CONTEXT), (DIRECTIONS_FILE, DIRECTION), (REWARDS_FILE, REWARD))


def make_pairs(settings: PairSettings, runs: Sequence[Path], out: Path) -> dict[str, Any]:
    """Make preference pairs from rewarded directions.

    Args:
        settings: Which pairs.
        runs: Run folders of `deeper sample`, rewarded by `deeper reward`.
        out: The folder to write (`layout`). If it already holds pairs of the same settings and runs, nothing is done.

    Returns:
        The content of `pairs.json`.

    Raises:
        UserError: A run is not finished or not rewarded, its reward cannot be trusted, the runs do not fit together,
            the thresholds leave no pair, or the folder holds something else.
    """
    if not runs:
        raise UserError("no run is given to make pairs from", do="name a run folder of deeper sample and deeper reward")
    if len({run.resolve() for run in runs}) < len(runs):
        raise UserError("a run is named twice", where=", ".join(map(str, runs)), do="name each once")
    found = [_open(run) for run in runs]
    if (out / REPORT).is_file():
        return _already(settings, found, out)
    _check_together(found)
    if not settings.force:
        _check_trust(found)
    pool, left_out = _pool(found)
    chosen = choose_pairs(pool, settings.rule)
    train, validation = split_pairs(chosen.table)
    check_split(train, validation)
    if not train.num_rows:
        raise UserError(
            f"all {validation.num_rows} pairs are of validation users, and no policy may learn from them",
            where=", ".join(str(run.folder.path) for run in found),
            do="sample for more users, also outside the part validation (deeper sample --parts b,validation)",
        )
    all_train, train = train, equally_many(train)
    _check_each_updater(train, left_out)
    surplus = Counter(all_train["method"].to_pylist()) - Counter(train["method"].to_pylist())
    for method, counts in left_out.items():
        counts["surplus"] = surplus[method]
    report = _report(settings, found, pool, left_out, chosen, train, validation).as_json()
    write_pair_folder(RunFolder(out, settings), train, validation, report)
    return report


def write_pair_folder(folder: RunFolder, train: pa.Table, validation: pa.Table, report: Mapping[str, Any]) -> None:
    """Write pairs as Parquet and JSON lines, and the report last."""
    with folder.held():
        for name, table in ((TRAIN, train), (VALIDATION, validation)):
            folder.write_table(table_of(name), table)
            folder.write_text(lines_of(name), "".join(map(_line, table.to_pylist())))
        folder.write_json(REPORT, report)


@dataclass(frozen=True)
class _Run:
    """A rewarded run."""

    folder: RunFolder
    sampled: SampleSettings
    digest: str
    manifest: Mapping[str, Any]
    reward: RewardReport

    @property
    def measured(self) -> dict[str, Any]:
        """Measure and weights of its reward."""
        return self.reward.config.model_dump(mode="json")


def _open(run: Path) -> _Run:
    if not (run / MANIFEST_FILE).is_file() or not (run / DIRECTIONS_FILE).is_file():
        raise UserError(
            "the folder holds no finished run of deeper sample", where=str(run), do="run deeper sample first"
        )
    if not (run / REWARD_REPORT_FILE).is_file() or not (run / REWARDS_FILE).is_file():
        raise UserError("the run has no rewards", where=str(run), do=f"run deeper reward {run} first")
    sampled = resolve(SampleSettings, run / "config.toml", {})
    folder, digest = RunFolder(run, sampled), blake2b(digest_size=8)
    for name in (CONTEXTS_FILE, DIRECTIONS_FILE, REWARDS_FILE):
        digest.update((run / name).read_bytes())
    reward = read_reward_report(folder.read_json(REWARD_REPORT_FILE), str(run / REWARD_REPORT_FILE))
    return _Run(folder, sampled, digest.hexdigest(), folder.read_json(MANIFEST_FILE), reward)


def _already(settings: PairSettings, found: Sequence[_Run], out: Path) -> dict[str, Any]:
    """The report of a folder that already holds these pairs."""
    report = RunFolder(out, settings).read_json(REPORT)
    if [run["digest"] for run in report["runs"]] != [run.digest for run in found]:
        raise UserError(
            "the folder holds pairs of other runs, or of the same runs with other rewards",
            where=str(out),
            do="choose another --out, or delete the folder to start anew",
        )
    return report


def _check_together(found: Sequence[_Run]) -> None:
    """Refuse runs with different evidence, prompts, updaters, length limits or rewards."""
    compared: list[tuple[str, list[Any]]] = [
        ("evidence", [run.sampled.evidence for run in found]),
        ("prompts", [", ".join(map(" ".join, run.manifest["templates"].items())) for run in found]),
        ("updaters", [" ".join(filter(None, [*run.sampled.methods, run.sampled.updater])) for run in found]),
        ("future_windows", [run.sampled.future_windows for run in found]),
        ("max_persona_tokens", [run.sampled.max_persona_tokens for run in found]),
        ("rewards", [run.measured for run in found]),
    ]
    for name, values in compared:
        if any(value != values[0] for value in values):
            each = ", ".join(f"{run.folder.path} {value}" for run, value in zip(found, values, strict=True))
            raise UserError(
                f"the runs have different {name} ({each})",
                do="make pairs from runs that agree, or sample or reward one of them again",
            )


def _check_trust(found: Sequence[_Run]) -> None:
    for run in found:
        if not run.reward.trustworthy:
            overall, needed = run.reward.overall, run.reward.recipes.reward
            value, (low, high) = overall.reliability.value, overall.reliability.ci
            known = "unknown" if value is None else f"{value:.2f}"
            interval = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
            raise UserError(
                f"the reward cannot be trusted: its reliability is {known}{interval} on {overall.users} users; "
                f"needed are {needed.min_reliability} with an interval above 0, and {needed.min_users} users",
                where=str(run.folder.path),
                do="sample for more users, reward with a better predictor, or learn from it anyway with --force",
            )


def _check_each_updater(train: pa.Table, methods: Iterable[str]) -> None:
    """Refuse to teach some of the updaters that were sampled for and not the others."""
    taught = set(train["method"].to_pylist())
    if missing := [method for method in methods if method not in taught]:
        raise UserError(
            f"there is no pair to learn from of {', '.join(missing)}, so all updaters would have equally many: none",
            where="methods",
            do="sample for more users, lower --margin, or sample without it (--methods)",
        )


def _pool(found: Sequence[_Run]) -> tuple[list[RewardedContext], LeftOut]:
    """The rewarded contexts of all runs, and the number of directions left out."""
    listed: list[list[RewardedContext]] = []
    left_out: LeftOut = {}
    for run in found:
        prompts = _prompts(run)
        domains: Mapping[str, Domain] = load_windows(run.sampled.data, run.sampled.domains or None).domains
        contexts, directions, rewards = (run.folder.read_table(*one) for one in TABLES)
        limit, updaters = run.sampled.max_persona_tokens, _updaters(run)
        own, lost = rewarded_contexts(contexts, directions, rewards, prompts, limit, domains, updaters)
        listed.append(own)
        for method, counts in lost.items():
            left_out.setdefault(method, Counter()).update(counts)
    pool, repeated = pool_runs(listed)
    for method, count in repeated.items():
        left_out[method]["duplicate"] += count
    return pool, left_out


def _prompts(run: _Run) -> Prompts:
    """The templates that a run was sampled with; pairs need exactly the same prompts."""
    prompts = load_prompts(run.sampled.prompts, run.sampled.evidence)
    today = prompts.hashes_for("policy")
    if changed := [name for name, found in run.manifest["templates"].items() if today.get(name) != found]:
        raise UserError(
            f"the run was sampled with another text of the prompt{'s' * (len(changed) > 1)} {', '.join(changed)}",
            where=str(run.folder.path),
            do="restore the old prompts, or sample again",
        )
    return prompts


def _updaters(run: _Run) -> Updaters:
    """The updaters that a run was sampled with."""
    updaters = sampled_updaters(run.sampled.methods, run.sampled.updater)
    own = [module for name, module in updaters.items() if name not in MODULES]
    if own and own_hash(*own) != run.manifest["updater"]:
        do = "restore the old file, or sample again"
        raise UserError(f"the updater of {run.folder.path} has changed since", where=run.sampled.updater, do=do)
    return updaters


def _report(
    settings: PairSettings,
    found: Sequence[_Run],
    pool: Sequence[RewardedContext],
    left_out: LeftOut,
    chosen: ChosenPairs,
    train: pa.Table,
    validation: pa.Table,
) -> PairsReport:
    rewards: dict[str, list[float]] = {}
    for context in pool:
        rewards.setdefault(context.domain, []).extend(direction.r for direction in context.directions)
    methods = {method: {**chosen.counts.get(method, {}), **lost} for method, lost in left_out.items()}
    return PairsReport(
        **provenance(),
        config=settings.model_dump(mode="json"),
        recipes=dump_recipes(reward=REWARD_RECIPE, pairs=PAIR_RECIPE, behaviour=BEHAVIOUR_RECIPE),
        rule={**asdict(settings.rule), "margins": dict(chosen.margins)},
        templates=found[0].manifest["templates"],
        max_persona_tokens=found[0].sampled.max_persona_tokens,
        reward=found[0].measured,
        runs=[
            PairSource(
                run=run.folder.path.name,
                digest=run.digest,
                sampled=run.sampled.model_dump(mode="json"),
                engines=run.manifest["engines"],
                predictors=run.reward.predictors,
                reliability=run.reward.overall.reliability,
                users=run.reward.overall.users,
                trustworthy=run.reward.trustworthy,
            )
            for run in found
        ],
        counts={
            **summed(methods.values()),
            TRAIN: PairCounts.of(train),
            VALIDATION: PairCounts.of(validation),
        },
        methods=methods,
        rewards={name: {"directions": len(own), **quantiles(own)} for name, own in rewards.items() if own},
    )


def _line(row: Mapping[str, Any]) -> str:
    """A pair as one line in TRL's conversational preference format."""
    answers = {name: [{"role": "assistant", "content": row[name]}] for name in ("chosen", "rejected")}
    return json.dumps({"prompt": row["prompt"], **answers}, ensure_ascii=False) + "\n"
