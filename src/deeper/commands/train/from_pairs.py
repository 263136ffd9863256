"""`deeper train dpo`: from preference pairs to a policy adapter."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from math import ceil
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from deeper.behaviour.splits import user_hash
from deeper.commands.execution.engines import check_adapter
from deeper.commands.pairs.pair_folder import PairFiles, read_pairs
from deeper.commands.pairs.published_pairs import PUBLISHED
from deeper.commands.train.settings import DpoSettings
from deeper.commands.train.start import check_extra, check_origin, fitting, load_base, plan_of
from deeper.engine.adapter import CARD, METRICS, Adapter, check_base, write_card
from deeper.engine.protocol import Prompt
from deeper.errors import UserError
from deeper.learning.training.collapse import alarms, uneven
from deeper.learning.training.recipe import ADAPTER, DPO_ALARMS
from deeper.learning.training_record import TrainingRecord
from deeper.storage.code_hash import code_modules
from deeper.storage.provenance import dump_recipes, provenance
from deeper.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from deeper.learning.training.pair_tokens import Example, Pair
    from deeper.learning.training.trainer import Progress, TrainingPlan

log = logging.getLogger(__name__)

PAIRS_PER_SHARD = 256
"""Pairs in a file of the reference's log-probabilities; a killed training scores at most so many again."""
STEP_NUMBERS = (
    "step", "loss", "preference", "sft", "accuracy", "margin", "reward_chosen", "reward_rejected", "logp_chosen",
    "logp_rejected", "kl", "grad_norm", "learning_rate", "seconds",
)  # fmt: skip
"""The numbers of a step in `metrics.json`, besides `tokens_per_second`."""
_NUMBERS = pa.list_(pa.field("element", pa.float32(), nullable=False))
REFERENCE = pa.schema([pa.field("chosen", _NUMBERS, nullable=False), pa.field("rejected", _NUMBERS, nullable=False)])
"""The reference's log-probability of each token of the two answers."""


def train_dpo(settings: DpoSettings, out: Path, show: "Callable[[Progress], None]") -> dict[str, Any]:
    """Train a policy on preference pairs.

    This also works under `accelerate launch`, where the first process writes all files and messages.

    Args:
        settings: What to do.
        out: The adapter's folder. A killed training continues in it; a finished one is not repeated.
        show: Called while the reference scores the pairs, and after each step.

    Returns:
        The content of `metrics.json`.

    Raises:
        UserError: The pairs, the adapter, the settings, the folder or the machine does not allow the training.
    """
    check_extra()
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    with state.main_process_first():
        folder = RunFolder(out, settings)
    with folder.held() if state.is_main_process else nullcontext():
        done = folder.has(CARD)
        state.wait_for_everyone()
        if done:
            return folder.read_json(METRICS)
        job = _prepare(settings, folder, show if state.is_main_process else _silent)
        metrics = _run(settings, job)
        if state.is_main_process:
            _write(job, metrics)
        state.wait_for_everyone()
        return metrics


@dataclass(frozen=True)
class _Job:
    """What a DPO training starts from."""

    files: PairFiles
    adapter: Adapter | None
    base: str
    model: Any
    tokenizer: Any
    training: "Sequence[Pair]"
    validation: "Sequence[Pair]"
    methods: dict[str, dict[str, int]]
    plan: "TrainingPlan"
    code: list[str]
    folder: RunFolder
    show: "Callable[[Progress], None]"


def _prepare(settings: DpoSettings, folder: RunFolder, show: "Callable[[Progress], None]") -> _Job:
    from accelerate import PartialState

    from deeper.learning.training.lora import with_adapter, with_lora
    from deeper.learning.training.pair_tokens import Encoder

    files = read_pairs(Path(settings.pairs))
    wanted = settings.policy_adapter
    adapter = check_adapter("policy", Path(wanted), files.templates) if wanted else None
    base, model, tokenizer = load_base(settings)
    encode = Encoder(tokenizer)

    def encoded(table: pa.Table) -> "list[Pair]":
        return [encode(_prompt(row["prompt"]), row["chosen"], row["rejected"]) for row in table.to_pylist()]

    pairs = encoded(files.train)
    training, _ = fitting(pairs, settings)
    all_methods: list[Any] = files.train["method"].to_pylist()
    too_long = Counter(name for name, pair in zip(all_methods, pairs, strict=True) if pair.tokens > settings.cutoff)
    methods = {name: {"pairs": n, "over_cutoff": too_long[name]} for name, n in Counter(all_methods).items()}
    validation = [pair for pair in encoded(files.validation) if pair.tokens <= settings.cutoff]
    validation = Random(settings.seed).sample(validation, min(settings.validation_pairs, len(validation)))
    plan = plan_of(settings, len(training), settings.warmup_steps)
    if plan.warmup >= plan.steps > 1:
        raise UserError(
            f"{plan.warmup} warm-up steps are not fewer than the {plan.steps} steps of the training",
            do="give more pairs or epochs, or fewer --warmup-steps",
        )
    if adapter:
        check_base(adapter, base)
    origin = {
        "base": base,
        "templates": files.templates,
        "pairs": files.digest,
        "policy_adapter": adapter.digest if adapter else "",
    }
    model = with_adapter(model, adapter.folder, plan) if adapter else with_lora(model, plan)
    # The first process warns and records; the others find its record.
    with PartialState().main_process_first():
        code = check_origin(folder, origin, _code())
    return _Job(files, adapter, base, model, tokenizer, training, validation, methods, plan, code, folder, show)


def _code() -> dict[str, str]:
    """The modules that shape a policy trained on pairs."""
    from deeper.learning.training import dpo, lora, pair_tokens

    return code_modules(dpo, lora, pair_tokens)


def _run(settings: DpoSettings, job: _Job) -> dict[str, Any]:
    from accelerate import PartialState

    from deeper.learning.training.dpo import Objective, train_dpo

    pairs = [*job.training, *job.validation]
    scored, reference_seconds = _reference(settings, job, pairs)
    training, validation = scored[: len(job.training)], scored[len(job.training) :]
    plan = job.plan
    used = list(islice(epochs(training, settings.seed), plan.steps * plan.batch))
    if PartialState().is_main_process:
        log.info(
            "%d steps of %d pairs from %d; validation on %d others",
            plan.steps, plan.batch, len(training), len(validation),
        )  # fmt: skip
    objective = Objective(settings.beta, settings.sft_weight, settings.save_memory == "on")
    out = job.folder.path
    entries = train_dpo(job.model, job.tokenizer, used, validation, plan, objective, out, job.show)
    steps = [entry for entry in entries if "loss" in entry]
    tokens = [
        sum(example.pair.total_tokens for example in used[at : at + plan.batch])
        for at in range(0, len(used), plan.batch)
    ]
    clock = [0.0, *(entry["seconds"] for entry in steps)]
    lasted = [after - before for before, after in pairwise(clock)]
    return {
        "steps": plan.steps,
        "seconds": (seconds := clock[-1]),
        "reference_seconds": reference_seconds,
        "examples_per_second": round(plan.steps * plan.batch / seconds, 3),
        "tokens_per_second": round(sum(tokens) / (seconds + reference_seconds), 1),
        "pairs": len(training),
        "users": Counter(domain for domain, _ in sorted(job.files.users) if domain != PUBLISHED),
        "validation_pairs": len(validation),
        "over_cutoff": sum(counts["over_cutoff"] for counts in job.methods.values()),
        "methods": job.methods,
        "loss": [
            {**{name: entry[name] for name in STEP_NUMBERS}, "tokens_per_second": round(count / max(spent, 1e-3), 1)}
            for entry, count, spent in zip(steps, tokens, lasted, strict=True)
        ],
        "validation": [{"step": entry["step"], **entry["validation"]} for entry in entries if entry.get("validation")],
        "alarms": [*uneven(job.methods, settings.cutoff), *alarms(steps, settings.beta)],
        "base": job.base,
        "policy_adapter": job.adapter.digest if job.adapter else "",
        "templates": job.files.templates,
        "seed": settings.seed,
        "settings": settings.model_dump(mode="json"),
        "recipes": dump_recipes(alarms=DPO_ALARMS, adapter=ADAPTER),
        "code": job.code,
        "provenance": provenance(),
    }


def _write(job: _Job, metrics: dict[str, Any]) -> None:
    from deeper.learning.training.trainer import save_adapter

    save_adapter(job.model, job.folder.path)
    job.folder.write_json(METRICS, metrics)
    kept = ("settings", "recipes", "code", "provenance", "seed", "steps", "pairs", "users", "policy_adapter")
    record = TrainingRecord(**{name: metrics[name] for name in kept})
    write_card(job.folder.path, kind="policy", base=job.base, templates=job.files.templates,
               users={user_hash(domain, user) for domain, user in job.files.users},
               provenance=record.as_card(), before=job.adapter)  # fmt: skip


def _reference(settings: DpoSettings, job: _Job, pairs: "Sequence[Pair]") -> "tuple[list[Example], float]":
    """Examples with the reference's log-probabilities, computed shard by shard, and the seconds of all shards."""
    from accelerate import PartialState
    from accelerate.utils import gather_object

    from deeper.learning.training.pair_tokens import Example, log_probs_of
    from deeper.learning.training.trainer import Progress

    state = PartialState()
    rank, ranks = state.process_index, state.num_processes
    examples: list[Example] = []
    seconds = 0.0
    for shard in range(ceil(len(pairs) / PAIRS_PER_SHARD)):
        part = pairs[shard * PAIRS_PER_SHARD : (shard + 1) * PAIRS_PER_SHARD]
        name = f"reference/{shard:05}.parquet"
        known = job.folder.has(name)
        state.wait_for_everyone()
        if not known:
            since = time.perf_counter()
            # The adapter is still untrained: with it, the model is the policy that this training starts from.
            with job.model.disable_adapter() if settings.reference == "base" else nullcontext():
                own = log_probs_of(job.model, part[rank::ranks], settings.micro_batch)
            found = dict(gather_object(list(zip(range(rank, len(part), ranks), own, strict=True))))
            columns = [[found[index][side] for index in range(len(part))] for side in (0, 1)]
            table = pa.Table.from_arrays([pa.array(c, _NUMBERS) for c in columns], schema=REFERENCE)
            spent = {"seconds": f"{time.perf_counter() - since:.3f}"}
            if state.is_main_process:
                job.folder.write_table(name, table.replace_schema_metadata(spent))
            state.wait_for_everyone()
        table = job.folder.read_table(name, REFERENCE)
        seconds += float((table.schema.metadata or {})[b"seconds"])
        for pair, row in zip(part, table.to_pylist(), strict=True):
            examples.append(Example(pair, tuple(row["chosen"]), tuple(row["rejected"])))
        job.show(Progress(len(examples), len(pairs), task="reference"))
    return examples, round(seconds, 3)


def epochs(examples: "Sequence[Example]", seed: int) -> "chain[Example]":
    """Repeat the examples without end, in a new random order each time.

    Args:
        examples: Examples to learn from.
        seed: Seed of the orders.
    """

    def epoch(number: int) -> "list[Example]":
        return Random(f"{seed} {number}").sample(examples, len(examples))

    return chain.from_iterable(epoch(number) for number in iter(int, 1))


def _prompt(messages: Sequence[dict[str, str]]) -> Prompt:
    if [message["role"] for message in messages] != ["system", "user"]:
        raise UserError(
            "a prompt is not one system message and one user message",
            where="train.parquet",
            do="make the pairs again with deeper pairs",
        )
    return Prompt(messages[0]["content"], messages[1]["content"])


def _silent(progress: "Progress") -> None:
    """Show nothing: the first process does."""
