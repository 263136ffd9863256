"""Predicting the ratings of windows from a persona, by one of two readouts."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.engine import Engine, Prompt, Sampling, ScoreRequest
from deeper.measure.metrics import weighted_median
from deeper.persona.prompts.item_lines import quote
from deeper.persona.prompts.templates import Prompts
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PREDICTION
from deeper.storage.stage import Stage

Floats = NDArray[np.float64]

TARGET = pa.struct(
    [
        pa.field("k", pa.int16(), nullable=False),
        pa.field("titles", pa.list_(pa.string()), nullable=False),
    ]
)
PREDICT_INPUT = pa.schema(
    [
        pa.field("persona_id", pa.string(), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("persona", pa.string(), nullable=False),
        pa.field("targets", pa.list_(TARGET), nullable=False),
    ]
)
"""A persona's text and the windows to predict from it: the titles alone, so that no rating can reach the engine."""
PREDICT_ROWS = 16
"""Personas that are read at once. Another number gives other batches, and so other last digits."""
UNKNOWN = "Nothing is known."
"""What the predictor reads in the place of an empty persona."""
Answer = tuple[Floats, str]
"""A distribution (items, labels) and why there is none (then it is empty)."""
Readout = Callable[["pa.Table", Engine, Prompts, Mapping[str, Domain], int], list[list[Answer]]]


Asked = tuple[Mapping[str, Any], Mapping[int, Sequence[Mapping[str, Any]]]]
"""A persona (a `PERSONA` row, or its id, user, domain and text) and the windows to predict from it, by k."""


def predict_row(persona: Mapping[str, Any], windows: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """One row of `PREDICT_INPUT`.

    Args:
        persona: A `PERSONA` row.
        windows: The windows to predict, by k; of their items only the titles are taken.
    """
    targets = [{"k": k, "titles": [item["title"] for item in items]} for k, items in windows.items()]
    names = {"persona_id": persona["id"], "user": persona["user"], "domain": persona["domain"]}
    return {**names, "persona": persona["text"], "targets": targets}


def predict(
    table: pa.Table, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], readout: str, seed: int
) -> pa.Table:
    """Predict each target window of each persona: `PREDICT_INPUT` to uncalibrated `PREDICTION` rows."""
    answers = READOUTS[readout](table, engine, prompts, domains, seed)
    rows: list[dict[str, Any]] = []
    for row, windows in zip(table.to_pylist(), answers, strict=True):
        values = domains[row["domain"]].scale.values
        for target, (distribution, failure) in zip(row["targets"], windows, strict=True):
            rows.append(
                {
                    **{key: row[key] for key in ("persona_id", "user", "domain")},
                    "k": target["k"],
                    "points": [] if failure else weighted_median(distribution, values).tolist(),
                    "distribution": distribution.tolist(),
                    "readout": readout,
                    "calibrated": "off",
                    "failure": failure,
                }
            )
    return pa.Table.from_pylist(rows, schema=PREDICTION)


def predict_stage(
    name: str, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], readout: str, seed: int
) -> Stage:
    """The stage of a run in which a predictor reads personas: `PREDICT_INPUT` to uncalibrated `PREDICTION` rows.

    Args:
        name: What the run calls it.
        engine: The predictor.
        prompts: The templates.
        domains: By id.
        readout: How predictions are read; one of `READOUTS`.
        seed: Seed of the structured readout's second attempt.
    """
    return Stage(
        name=name,
        function=partial(predict, engine=engine, prompts=prompts, domains=domains, readout=readout, seed=seed),
        schema=PREDICTION,
        settings={
            "engine": engine.fingerprint,
            "prompts": prompts.version,
            "readout": readout,
            "seed": seed,
            "domains": {name: repr(domain) for name, domain in sorted(domains.items())},
        },
        shard_rows=PREDICT_ROWS,
    )


def score_request(prompts: Prompts, domain: Domain, persona: str, titles: Sequence[str]) -> ScoreRequest:
    """What the predictor is asked: the ratings of items, each but once, behind one persona.

    Args:
        prompts: The templates.
        domain: Gives the item noun and the labels.
        persona: The persona's text; empty where nothing is known.
        titles: Titles of the items.
    """
    prompt = prompts.render("predict", domain, persona=persona or UNKNOWN)
    return ScoreRequest(prompt, tuple(dict.fromkeys(map(quote, titles))), domain.scale.labels)


def _distribution(
    table: pa.Table, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], seed: int
) -> list[list[Answer]]:
    """Readout from `score`: the probabilities of the scale's labels, all windows behind one persona prefix."""
    del seed
    rows = table.to_pylist()
    requests: list[ScoreRequest] = []
    for row in rows:
        titles = [title for target in row["targets"] for title in target["titles"]]
        requests.append(score_request(prompts, domains[row["domain"]], row["persona"], titles))
    results: list[list[Answer]] = []
    for row, request, scores in zip(rows, requests, engine.score(requests), strict=True):
        found = dict(zip(request.continuations, scores, strict=True))
        windows: list[Answer] = []
        for target in row["targets"]:
            matrix = np.stack([found[quote(title)] for title in target["titles"]])
            if not np.isfinite(matrix.max(axis=1)).all():
                windows.append((np.empty((0, 0)), "the engine gave no log-probabilities for an item"))
            else:
                weights = np.exp(matrix - matrix.max(axis=1, keepdims=True))
                windows.append((weights / weights.sum(axis=1, keepdims=True), ""))
        results.append(windows)
    return results


def _structured(
    table: pa.Table, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], seed: int
) -> list[list[Answer]]:
    """Readout from `generate`: JSON with exactly one allowed value an item, retried once, then a failure."""
    rows = table.to_pylist()
    results: list[list[Answer]] = [[(np.empty((0, 0)), "")] * len(row["targets"]) for row in rows]
    groups: dict[tuple[str, int], list[tuple[int, int, Prompt]]] = {}
    for i, row in enumerate(rows):
        for j, target in enumerate(row["targets"]):
            items = "\n".join(quote(title) for title in target["titles"])
            count = len(target["titles"])
            persona = row["persona"] or UNKNOWN
            prompt = prompts.render("predict_list", domains[row["domain"]], persona=persona, items=items, count=count)
            groups.setdefault((row["domain"], count), []).append((i, j, prompt))
    for (name, count), asked in groups.items():
        domain, unread = domains[name], asked
        for temperature in RECIPE.structured_temperatures:
            sampling = Sampling(32 + 12 * count, temperature, seed=seed, json_schema=answer_schema(domain, count))
            completions = engine.generate([prompt for _, _, prompt in unread], sampling)
            for (i, j, _), completion in zip(unread, completions, strict=True):
                failed: Answer = (np.empty((0, 0)), completion.failure)
                results[i][j] = failed if completion.failure else read_answer(completion.texts[0], domain, count)
            unread = [(i, j, prompt) for i, j, prompt in unread if results[i][j][1]]
            if not unread:
                break
    return results


READOUTS: Mapping[str, Readout] = {"distribution": _distribution, "structured": _structured}


def answer_schema(domain: Domain, count: int) -> dict[str, Any]:
    """JSON schema of a structured answer: `count` values of the scale, nothing else."""
    allowed = [int(value) if value == int(value) else float(value) for value in domain.scale.values]
    return {
        "type": "object",
        "properties": {"ratings": {"type": "array", "items": {"enum": allowed}, "minItems": count, "maxItems": count}},
        "required": ["ratings"],
        "additionalProperties": False,
    }


def read_answer(text: str, domain: Domain, count: int) -> Answer:
    """Read a structured answer into one-hot distributions; what cannot be read is an explicit failure."""
    nothing = np.empty((0, 0))
    try:
        answer: Any = json.loads(text)
    except (ValueError, RecursionError):  # Python refuses to read numbers of thousands of digits
        return nothing, "the answer is not JSON"
    ratings: Any = answer.get("ratings") if isinstance(answer, dict) else None
    if not isinstance(ratings, list) or len(ratings) != count:
        return nothing, f"the answer does not hold {count} ratings"
    numbers: Sequence[Any] = ratings
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        return nothing, "the answer holds something other than numbers"
    scale = domain.scale
    if not all(scale.minimum <= number <= scale.maximum and scale.contains(number) for number in numbers):
        return nothing, "the answer holds a rating off the scale"
    one_hot = np.zeros((count, len(scale.values)))
    one_hot[np.arange(count), scale.index(np.array(numbers, np.float64))] = 1.0
    return one_hot, ""
