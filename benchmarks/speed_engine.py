"""Parts of `speed.py` that need the embedded model: writing in a run, samples of one prompt, and scores."""

import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import openvino
import openvino_genai as genai
import pyarrow as pa

from deeper.engine import Precision, Prompt, Sampling
from deeper.engine.label_tree import split_prefix
from deeper.engine.openvino.compile import make_pipeline
from deeper.engine.openvino.engine import EmbeddedEngine
from deeper.engine.openvino.weights import prepare_weights
from deeper.engine.precision import number_type
from deeper.persona.predict import PREDICT_INPUT, predict, score_request
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.processor import CPU_INFO
from sample_reward import well_formed_persona
from speed_shared import (
    DOMAINS,
    SEED,
    Figure,
    Say,
    Sizes,
    Watched,
    figure,
    in_turns,
    planted_windows,
    ratios,
    run_planted,
    seconds,
)

SAMPLES = 15
LONG = " ".join(map(well_formed_persona, range(8)))
"""A text of about 400 tokens."""


@cache
def embedded(precision: Precision = "auto") -> EmbeddedEngine:
    """Return the embedded engine with both of its models compiled."""
    engine = EmbeddedEngine(precision=precision)
    prompts = load_prompts()
    table = to_predict(1, 1)
    predict(table, engine, prompts, DOMAINS, "distribution", SEED)
    engine.generate([Prompt("", "One word.")], Sampling(1))
    return engine


class Bare:
    """OpenVINO GenAI's own pipeline, called directly, on the same weights in the precision `auto`."""

    def __init__(self, rounds: bool = True) -> None:
        """Compile the model.

        Args:
            rounds: Whether to round to 8 bits as OpenVINO does by default, and `score` never does: keys and values,
                and the input of matrices on processors that multiply 8-bit integers.
        """
        weights, numbers = prepare_weights(None, None), number_type("auto")
        self.tokenizer = genai.Tokenizer(weights.gguf)
        unrounded = {"KV_CACHE_PRECISION": numbers, "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
        self._pipeline = make_pipeline(weights.folder, numbers, self.tokenizer, **({} if rounds else unrounded))

    def tokens(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a prompt as a chat."""
        turns = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        return self.ids(self.tokenizer.apply_chat_template(turns, add_generation_prompt=True))

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return self.tokenizer.encode(text, add_special_tokens=False).input_ids.data[0].tolist()

    def answer(self, prompts: Sequence[Prompt], lengths: Sequence[int]) -> list[str]:
        """Answer all prompts as one batch, greedily, each with exactly so many tokens."""
        asked = [openvino.Tensor(np.array([self.tokens(prompt)], np.int64)) for prompt in prompts]
        plans = [genai.GenerationConfig(max_new_tokens=n, ignore_eos=True, do_sample=False) for n in lengths]
        answers = [answer.m_generation_ids[0] for answer in self._pipeline.generate(asked, plans)]
        if (given := list(map(len, answers))) != list(lengths):
            raise RuntimeError(f"asked for answers of {list(lengths)} tokens, got {given}")
        return [self.tokenizer.decode(list(answer), skip_special_tokens=True) for answer in answers]


@cache
def bare(rounds: bool = True) -> Bare:
    """Return the bare pipeline, warmed up."""
    pipeline = Bare(rounds)
    pipeline.answer([Prompt("", "One word.")], [1])
    return pipeline


def throughput(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Measure tokens generated per second in a run's writing stages, against the bare pipeline on the same prompts."""
    engine, loop = embedded(), bare()
    windows = planted_windows(sizes.users, 1)
    shares: dict[str, list[float]] = {"call by call": [], "one batch": []}
    each_user: list[float] = []
    prompts = tokens = 0
    for turn in range(sizes.repeats):
        watched = Watched(engine)
        with tempfile.TemporaryDirectory() as folder:
            stages = run_planted(watched, windows, Path(folder) / "run", users=sizes.users, calibration_users=1)
        ours = sum(spent for name, spent in stages.items() if name == "initialise" or name.startswith("update-"))
        prompts, tokens = len(watched.written), sum(length for _, length in watched.written)
        speeds = f"{tokens / ours:.1f} tokens/s in the run"
        for name, batches in (("call by call", watched.batches), ("one batch", [watched.written])):
            asked = [zip(*batch, strict=True) for batch in batches if batch]
            theirs = seconds(lambda asked=asked: [loop.answer(*batch) for batch in asked])
            shares[name].append(theirs / ours)
            speeds += f", {tokens / theirs:.1f} bare, {name}"
        each_user.append(watched.seconds / sizes.users)
        say(f"  turn {turn + 1} of {sizes.repeats}: {speeds}")
    how = (
        "Generated tokens per second in the writing stages of deeper evaluate, divided by those of OpenVINO GenAI's "
        "pipeline. A stage counts from its first shard to its last, with prompts, second tries and files. The pipeline "
        "is called directly, call by call with the same prompts, greedy, each answer as long as in the run."
    )
    counts = {"users": sizes.users, "prompts": prompts, "tokens": tokens}
    found = figure(shares["call by call"], 0.9, "higher", how, **counts)
    at_once = (
        "The same with all prompts of the run as one batch. No run can do that: some prompts hold others' answers."
    )
    found["one_batch"] = figure(shares["one batch"], 0.85, "higher", at_once)
    return {"throughput_vs_bare": {**found, "engine_seconds_a_user": [round(spent, 3) for spent in each_user]}}


def samples(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Measure how many prefills 15 samples of one prompt cost."""
    engine, numbers = embedded(), count()

    def first_tokens(n: int) -> float:
        # A new prompt each time, so that no cache can help.
        text = f"{next(numbers)} {LONG}"
        return seconds(lambda: engine.generate([Prompt("", text)], Sampling(1, 1.0, n, SEED)))

    turns = 2 * sizes.repeats + 1
    found = in_turns({"one sample": lambda: first_tokens(1), "15 samples": lambda: first_tokens(SAMPLES)}, turns, say)
    how = (
        "Seconds of 15 samples of one prompt divided by those of one sample. Each has one token, so nearly all of the "
        "time is reading the prompt: 1 is one prefill, 15 would be one for each sample."
    )
    length = len(bare().tokens(Prompt("", f"0 {LONG}")))
    values = ratios(found["15 samples"], found["one sample"])
    return {"samples_vs_one_prefill": figure(values, 1.5, "lower", how, samples=SAMPLES, prompt_tokens=length)}


def score(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Measure items scored per second: against the limit set by reading their tokens, and against `exact`."""
    prompts = load_prompts()
    tables = {windows: to_predict(sizes.read, windows) for windows in (1, 3)}

    def scoring(table: pa.Table, precision: Precision = "auto") -> Callable[[], float]:
        engine = embedded(precision)
        return lambda: seconds(lambda: predict(table, engine, prompts, DOMAINS, "distribution", SEED))

    sides = {f"{windows} windows": scoring(table) for windows, table in tables.items()}
    sides["a token"] = lambda: seconds_a_token(tables[1])
    is_faster = number_type("auto") != number_type("exact")
    if is_faster:
        sides["exact"] = scoring(tables[1], "exact")
    found = in_turns(sides, 2 * sizes.repeats - 1, say)
    figures: dict[str, Figure] = {}
    for windows, table in tables.items():
        tokens = needed_tokens(table)
        items = table.num_rows * windows * 10
        rates = [items / spent for spent in found[f"{windows} windows"]]
        limits = [items / (tokens * spent) for spent in found["a token"]]
        how = (
            "Items per second of the stage that predicts (with tokenising, labels and the predictions' table) divided "
            "by (items · prefill rate) / (prefix + item tokens). Each token that must be read counts once, also those "
            "that all prompts of a call share. The prefill rate is that of OpenVINO GenAI's pipeline in the same turn "
            "and in the same precision. Labels have one token."
        )
        counts = {"personas": table.num_rows, "items": items, "tokens": tokens, "computes_in": number_type("auto")}
        figures[f"score_vs_limit_{windows}"] = figure(ratios(rates, limits), 0.75, "higher", how, **counts)
    if is_faster:
        how = "Items per second of the stage that predicts, in the precision auto divided by those in exact."
        target = 2.2 if multiplies_matrices() else 1.4
        figures["score_vs_exact"] = figure(ratios(found["exact"], found["1 windows"]), target, "higher", how)
    return figures


def multiplies_matrices() -> bool:
    """Whether the processor multiplies matrices of bfloat16 (AMX), not only vectors."""
    return "amx_bf16" in CPU_INFO.read_text("utf-8")


def to_predict(personas: int, windows: int) -> pa.Table:
    """Return `PREDICT_INPUT` rows: well-formed personas, and windows of ten planted items each."""
    behaviour = planted_windows(personas, 0).to_pylist()
    users = sorted({row["user"] for row in behaviour})
    titles = {(row["user"], row["k"]): [item["title"] for item in row["items"]] for row in behaviour}
    rows = [
        {
            "persona_id": user,
            "user": user,
            "domain": next(iter(DOMAINS)),
            "persona": well_formed_persona(number),
            "targets": [{"k": k, "titles": titles[user, k]} for k in range(windows)],
        }
        for number, user in enumerate(users)
    ]
    return pa.Table.from_pylist(rows, schema=PREDICT_INPUT)


def seconds_a_token(table: pa.Table) -> float:
    """Return the seconds per token in which the bare pipeline reads these personas, five times each, in one batch."""
    loop = bare(rounds=False)
    read = [Prompt("", row["persona"] * 5) for row in table.to_pylist()]
    return seconds(lambda: loop.answer(read, [1] * len(read))) / sum(len(loop.tokens(prompt)) for prompt in read)


def needed_tokens(table: pa.Table) -> int:
    """Return the tokens that a call must read: what all prompts share, what a persona's prompts share, and the rest."""
    prompts, loop, domain = load_prompts(), bare(), next(iter(DOMAINS.values()))
    prefixes: list[tuple[int, ...]] = []
    total = 0
    for row in table.to_pylist():
        items = [title for target in row["targets"] for title in target["titles"]]
        request = score_request(prompts, domain, row["persona"], items)
        whole = [Prompt(request.prompt.system, request.prompt.user + item) for item in request.continuations]
        prefix, tails = split_prefix([tuple(loop.tokens(prompt)) for prompt in whole])
        prefixes.append(prefix)
        total += sum(map(len, tails))
    shared, _ = split_prefix([(*prefix, -1) for prefix in prefixes])
    alone = len(shared) if len(prefixes) > 1 else 0
    return total + alone + sum(len(prefix) - alone for prefix in prefixes)
