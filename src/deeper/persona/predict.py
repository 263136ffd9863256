"""Predict the ratings of windows from personas.

Takes a persona's text and the titles of some windows. Returns a distribution over the scale's labels and its median
for each item. Two readouts get them from an engine: `distribution` from the probabilities of the labels, and
`structured` from generated JSON. `auto` is `distribution`, and `structured` with an engine that gives no
log-probabilities; each row names the readout that was used. An answer that cannot be read becomes a row with a
`failure`.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.engine import Engine, NoLogProbabilities, Prompt, Sampling, ScoreRequest, may_answer_later, unscored
from deeper.measure.metrics import weighted_median
from deeper.persona.prompts.item_lines import quote
from deeper.persona.prompts.templates import Prompts
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PREDICTION
from deeper.persona.stage_settings import stage_settings
from deeper.storage.stage import Stage

Floats = NDArray[np.float64]
log = logging.getLogger(__name__)

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
"""A persona's text and the windows to predict from it. It holds only titles, so no rating can reach the engine."""
EMPTY_PERSONA = "Nothing is known."
"""What the predictor reads where a persona is empty."""
NO_SCORES = "the engine gave no log-probabilities for an item"
"""Why there is no prediction, where the engine does not say why."""
Answer = tuple[Floats, str]
"""A distribution (items, labels) and an empty string, or an empty distribution and why there is none."""
Readout = Callable[[pa.Table, Engine, Prompts, Mapping[str, Domain], int], list[list[Answer]]]
"""Gives the answers to each target window of each `PREDICT_INPUT` row."""
Asked = tuple[Mapping[str, Any], Mapping[int, Sequence[Mapping[str, Any]]]]
"""A persona (a row with at least id, user, domain and text) and the windows to predict from it, by k."""


def predict_row(persona: Mapping[str, Any], windows: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Make one row of `PREDICT_INPUT`.

    Args:
        persona: A `PERSONA` row.
        windows: The windows to predict, by k. Only the titles of their items are used.
    """
    targets = [{"k": k, "titles": [item["title"] for item in items]} for k, items in windows.items()]
    names = {"persona_id": persona["id"], "user": persona["user"], "domain": persona["domain"]}
    return {**names, "persona": persona["text"], "targets": targets}


def predict(
    table: pa.Table, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], readout: str, seed: int
) -> pa.Table:
    """Predict each target window of each persona: `PREDICT_INPUT` to uncalibrated `PREDICTION` rows."""
    used, answers = _read(table, engine, prompts, domains, readout, seed)
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
                    "readout": used,
                    "calibrated": "off",
                    "failure": failure,
                }
            )
    return pa.Table.from_pylist(rows, schema=PREDICTION)


def predict_stage(
    name: str, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], readout: str, seed: int
) -> Stage:
    """Make the stage that predicts from personas: `PREDICT_INPUT` to uncalibrated `PREDICTION` rows.

    Args:
        name: The stage's name in the run.
        engine: The predictor.
        prompts: The templates.
        domains: By id.
        readout: How predictions are read: `AUTO` or one of `READOUTS`.
        seed: Seed of the structured readout's second attempt.
    """
    return Stage(
        name=name,
        function=partial(predict, engine=engine, prompts=prompts, domains=domains, readout=readout, seed=seed),
        schema=PREDICTION,
        settings=stage_settings(engine, prompts, domains, seed, readout=readout),
        shard_rows=RECIPE.predict_rows,
        looked_up=list(READOUTS.values()) if readout == AUTO else [READOUTS[readout]],
        ask_again=["persona_id"] if may_answer_later(engine) else [],
    )


def score_request(prompts: Prompts, domain: Domain, persona: str, titles: Sequence[str]) -> ScoreRequest:
    """Ask for the ratings of some items from one persona; equal titles are asked once.

    Args:
        prompts: The templates.
        domain: Gives the item noun and the labels.
        persona: The persona's text; may be empty.
        titles: Titles of the items.
    """
    prompt = prompts.render("predict", domain, persona=persona or EMPTY_PERSONA)
    return ScoreRequest(prompt, tuple(dict.fromkeys(map(quote, titles))), domain.scale.labels)


def _distribution(
    table: pa.Table, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], seed: int
) -> list[list[Answer]]:
    """Readout by `score`: the probabilities of the scale's labels.

    All windows of a persona share one request. Rows that ask the same, such as those of two methods with equal texts,
    share one too.
    """
    del seed
    rows = table.to_pylist()
    requests: list[ScoreRequest] = []
    for row in rows:
        titles = [title for target in row["targets"] for title in target["titles"]]
        requests.append(score_request(prompts, domains[row["domain"]], row["persona"], titles))
    results: list[list[Answer]] = []
    unique = list(dict.fromkeys(requests))
    answers = engine.score(unique)
    reasons, place_of = unscored(engine), {request: place for place, request in enumerate(unique)}
    for row, request in zip(rows, requests, strict=True):
        place, item_of = place_of[request], {text: item for item, text in enumerate(request.continuations)}
        windows: list[Answer] = []
        for target in row["targets"]:
            items = [item_of[quote(title)] for title in target["titles"]]
            matrix = answers[place][items]
            failed = np.flatnonzero(~np.isfinite(matrix.max(axis=1)))
            if len(failed):
                windows.append((np.empty((0, 0)), reasons.get((place, items[failed[0]])) or NO_SCORES))
            else:
                weights = np.exp(matrix - matrix.max(axis=1, keepdims=True))
                windows.append((weights / weights.sum(axis=1, keepdims=True), ""))
        results.append(windows)
    return results


def _structured(
    table: pa.Table, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], seed: int
) -> list[list[Answer]]:
    """Readout by `generate`: JSON with one allowed value for each item. A bad answer is retried once, then fails."""
    rows = table.to_pylist()
    results: list[list[Answer]] = [[(np.empty((0, 0)), "")] * len(row["targets"]) for row in rows]
    groups: dict[tuple[str, int], list[tuple[int, int, Prompt]]] = {}
    for i, row in enumerate(rows):
        for j, target in enumerate(row["targets"]):
            items = "\n".join(quote(title) for title in target["titles"])
            count = len(target["titles"])
            persona = row["persona"] or EMPTY_PERSONA
            prompt = prompts.render("predict_list", domains[row["domain"]], persona=persona, items=items, count=count)
            groups.setdefault((row["domain"], count), []).append((i, j, prompt))
    fixed, of_item = RECIPE.structured_tokens
    for (name, count), questions in groups.items():
        domain, unread = domains[name], questions
        tokens = fixed + of_item * count
        for temperature in RECIPE.structured_temperatures:
            sampling = Sampling(tokens, temperature, seed=seed, json_schema=answer_schema(domain, count))
            completions = engine.generate([prompt for _, _, prompt in unread], sampling)
            for (i, j, _), completion in zip(unread, completions, strict=True):
                failed: Answer = (np.empty((0, 0)), completion.failure)
                results[i][j] = failed if completion.failure else read_answer(completion.texts[0], domain, count)
            unread = [(i, j, prompt) for i, j, prompt in unread if results[i][j][1]]
            if not unread:
                break
    return results


READOUTS: Mapping[str, Readout] = {"distribution": _distribution, "structured": _structured}
AUTO = "auto"


def _read(
    table: pa.Table, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], readout: str, seed: int
) -> tuple[str, list[list[Answer]]]:
    """Return the readout that was used, and its answers."""
    if readout != AUTO:
        return readout, READOUTS[readout](table, engine, prompts, domains, seed)
    try:
        return "distribution", _distribution(table, engine, prompts, domains, seed)
    except NoLogProbabilities:
        _tell_structured(engine.fingerprint)
        return "structured", _structured(table, engine, prompts, domains, seed)


@cache  # once for each engine, not for each shard
def _tell_structured(engine: str) -> None:
    log.warning(
        "note: %s gives no log-probabilities, so predictions are read from JSON (readout structured): one number for "
        "each item in place of a distribution",
        engine,
    )


def answer_schema(domain: Domain, count: int) -> dict[str, Any]:
    """The JSON schema of a structured answer: `count` values of the scale and nothing else."""
    allowed = [int(value) if value == int(value) else float(value) for value in domain.scale.values]
    return {
        "type": "object",
        "properties": {"ratings": {"type": "array", "items": {"enum": allowed}, "minItems": count, "maxItems": count}},
        "required": ["ratings"],
        "additionalProperties": False,
    }


def read_answer(text: str, domain: Domain, count: int) -> Answer:
    """Read a structured answer as one-hot distributions, or say why it cannot be read."""
    nothing = np.empty((0, 0))
    try:
        answer: Any = json.loads(text)
    except (ValueError, RecursionError):  # Python refuses numbers with thousands of digits
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
