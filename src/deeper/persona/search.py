"""Search at test time: sample N candidates for S_t, and keep the one that predicts best.

Only what is known at time t decides. A candidate is sampled from the updater's own prompt, which shows a random half
of W_t (for `refine`, half of the discrepancies). The calibrated predictor then reads the candidate and predicts the
ratings that it was not written from: the other half of W_t, and W_0..W_{t-1}.

    gain = MAE(old persona) − MAE(candidate)        over the same ratings, each counted once

The candidate with the highest gain becomes S_t. If no gain is above 0, the old persona stays. The comparison favours
the old persona, which was written from W_{t-1}.

    updates ─▶ candidate_inputs ─▶ draw (policy) ─▶ asked_to_choose ─▶ predictions (predictor) ─▶ choose ─▶ personas
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.measure.metrics import mean_absolute_error
from deeper.persona.predict import Asked
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PERSONA
from deeper.persona.stages import update
from deeper.persona.update_input import UPDATE_INPUT
from deeper.persona.updaters import Updaters
from deeper.persona.write import Writer, Written, persona_row

Row = Mapping[str, Any]

CANDIDATE_INPUT = pa.schema(
    [
        *UPDATE_INPUT,
        pa.field("candidate", pa.int16(), nullable=False),
        pa.field("held_out", pa.list_(pa.int16()), nullable=False),
    ]
)
"""`UPDATE_INPUT` of one candidate, counted from 0. W_t and its predicted points hold only the half that the candidate
is written from; `held_out` lists the positions of the other half in the whole W_t. Rows are sorted by candidate."""

CANDIDATE = pa.schema([*PERSONA, pa.field("candidate", pa.int16(), nullable=False)])
"""Candidates as persona rows. Their short-term personas have rows too."""

SEARCH = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("candidate", pa.int16(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("leaks", pa.list_(pa.string()), nullable=False),
        pa.field("ratings", pa.int32(), nullable=False),
        pa.field("mae_old", pa.float64()),
        pa.field("mae", pa.float64()),
        pa.field("gain", pa.float64()),
        pa.field("chosen", pa.bool_(), nullable=False),
        pa.field("failure", pa.string(), nullable=False),
    ]
)
"""What a search decided, a row for each candidate. `mae_old` and `mae` are the errors of the old persona and of the
candidate over the same number of `ratings`; `gain` is their difference. All three are null where `failure` says why
there was no comparison. At most one candidate of a (user, domain, method, k) is `chosen`; if none is, the old persona
stayed."""


def candidate_inputs(updates: pa.Table, seed: int, n: int) -> pa.Table:
    """Deal each update to `n` candidates, each with its own half of W_t: `UPDATE_INPUT` to `CANDIDATE_INPUT`.

    Args:
        updates: The updates to search for.
        seed: Seed of the halves. A half also depends on the user, domain, method, k and candidate.
        n: Candidates of each update.
    """
    rows = [_with_half(row, seed, candidate) for candidate in range(n) for row in updates.to_pylist()]
    return pa.Table.from_pylist(rows, schema=CANDIDATE_INPUT)


def draw(table: pa.Table, writer: Writer, domains: Mapping[str, Domain], updaters: Updaters) -> pa.Table:
    """Sample the candidates: `CANDIDATE_INPUT` to `CANDIDATE`.

    Candidates with the same number share an engine seed, which stands in the column `seed`.
    """
    parts: list[pa.Table] = [CANDIDATE.empty_table()]
    for candidate in pc.unique(table["candidate"]).to_pylist():
        seed = int.from_bytes(_digest(writer.seed, candidate)[:4]) >> 1
        rows = table.filter(pc.field("candidate") == candidate).select(UPDATE_INPUT.names)
        sampler = replace(writer, temperature=RECIPE.search_temperature, seed=seed)
        written = update(rows, sampler, domains, updaters)
        numbers = pa.array([candidate] * written.num_rows, pa.int16())
        parts.append(written.append_column(CANDIDATE.field("candidate"), numbers).cast(CANDIDATE))
    return pa.concat_tables(parts)


def asked_to_choose(updates: pa.Table, inputs: pa.Table, drawn: pa.Table) -> list[Asked]:
    """List what the predictor must predict: from each old persona W_0..W_t, from a candidate what it has not read.

    Args:
        updates: `UPDATE_INPUT` rows.
        inputs: Their `candidate_inputs`.
        drawn: The candidates that `draw` made of these.
    """
    update_of = {_key(row): row for row in updates.to_pylist()}
    held_out = {(_key(row), row["candidate"]): row["held_out"] for row in inputs.to_pylist()}
    asked: dict[str, Asked] = {}
    for row in update_of.values():
        whole_window = range(len(row["windows"][-1]))
        asked[row["parent"]] = _asked(row, row["parent"], row["persona"], whole_window)
    for candidate in _finals(drawn):
        if not candidate["failure"]:
            key = _key(candidate)
            positions = held_out[key, candidate["candidate"]]
            asked[candidate["id"]] = _asked(update_of[key], candidate["id"], candidate["text"], positions)
    return list(asked.values())


def choose(
    updates: pa.Table,
    inputs: pa.Table,
    drawn: pa.Table,
    predictions: pa.Table,
    parents: Mapping[str, Row],
    writer: Writer,
    domains: Mapping[str, Domain],
) -> tuple[pa.Table, pa.Table]:
    """Choose the personas of the round: for each update its best candidate, or the old persona under a new id.

    A window counts only if it was predicted from both the old persona and the candidate. If the policy failed to
    write every candidate, the persona's `failure` says why.

    Args:
        updates: `UPDATE_INPUT` rows.
        inputs: Their `candidate_inputs`.
        drawn: The candidates that `draw` made of these.
        predictions: Calibrated predictions of `asked_to_choose`.
        parents: `PERSONA` rows of the old personas, by id.
        writer: The policy that wrote the candidates.
        domains: By id.

    Returns:
        `PERSONA` rows, in which the short-term persona of a chosen candidate comes before it, and `SEARCH` rows.
    """
    points = {(row["persona_id"], row["k"]): row["points"] for row in predictions.to_pylist() if not row["failure"]}
    held_out = {(_key(row), row["candidate"]): row["held_out"] for row in inputs.to_pylist()}
    short = {(_key(row), row["candidate"]): row for row in drawn.to_pylist() if row["stage"] == "short_term"}
    candidates_of: dict[tuple[str, str, str], list[Row]] = {}
    for row in _finals(drawn):
        candidates_of.setdefault(_key(row), []).append(row)

    personas: list[Row] = []
    decisions: list[Row] = []
    for row in updates.to_pylist():
        key, domain = _key(row), domains[row["domain"]]
        candidates = candidates_of[key]
        comparisons = [_compare(row, held_out[key, one["candidate"]], one, points, domain) for one in candidates]
        best = max(range(len(candidates)), key=lambda i: (comparisons[i].gain, -candidates[i]["candidate"]))
        chosen = candidates[best] if comparisons[best].gain > RECIPE.search_tolerance else None
        if chosen is None:
            failure = candidates[0]["failure"] if all(one["failure"] for one in candidates) else ""
            personas.append(_kept(row, parents[row["parent"]], failure, writer))
        else:
            personas += [short[key, chosen["candidate"]]] if (key, chosen["candidate"]) in short else []
            personas.append(chosen)
        decisions += [
            _decision(candidate, comparison, candidate is chosen)
            for candidate, comparison in zip(candidates, comparisons, strict=True)
        ]
    kept = [{name: row[name] for name in PERSONA.names} for row in personas]
    return pa.Table.from_pylist(kept, schema=PERSONA), pa.Table.from_pylist(decisions, schema=SEARCH)


@dataclass(frozen=True)
class _Comparison:
    """Errors of the old persona and of a candidate over the same ratings; both are 0 where there is no rating."""

    ratings: int
    mae_old: float
    mae: float

    @property
    def gain(self) -> float:
        return self.mae_old - self.mae if self.ratings else -np.inf


def _compare(
    update_row: Row,
    held_out: Sequence[int],
    candidate: Row,
    points: Mapping[tuple[str, int], Sequence[float]],
    domain: Domain,
) -> _Comparison:
    """Compare a candidate with the old persona, over the ratings that were predicted from both."""
    old: list[float] = []
    new: list[float] = []
    actual: list[float] = []
    last = len(update_row["windows"]) - 1
    for k, window in enumerate(update_row["windows"]):
        old_points, new_points = points.get((update_row["parent"], k)), points.get((candidate["id"], k))
        if old_points is None or new_points is None:
            continue
        positions = list(held_out) if k == last else list(range(len(window)))
        old += [old_points[i] for i in positions]
        new += new_points
        actual += [window[i]["rating"] for i in positions]
    rated: NDArray[np.bool_] = domain.is_rated(np.array(actual))
    if not rated.any():
        return _Comparison(0, 0, 0)
    true = np.array(actual)[rated]
    errors = [mean_absolute_error(np.array(predicted)[rated], true) for predicted in (old, new)]
    return _Comparison(len(true), *errors)


def _decision(candidate: Row, comparison: _Comparison, chosen: bool) -> Row:
    """One row of `SEARCH`."""
    is_compared = comparison.ratings > 0
    return {
        **{name: candidate[name] for name in SEARCH.names if name in candidate},
        "ratings": comparison.ratings,
        "mae_old": comparison.mae_old if is_compared else None,
        "mae": comparison.mae if is_compared else None,
        "gain": comparison.gain if is_compared else None,
        "chosen": chosen,
        "failure": candidate["failure"] or ("" if is_compared else "there is no rating to judge it by"),
    }


def _kept(update_row: Row, parent: Row, failure: str, writer: Writer) -> Row:
    """The old persona as S_t: the same text in a new row."""
    written = Written(parent["text"], parent["tokens"], tuple(parent["leaks"]), failure)
    keys = {name: update_row[name] for name in ("user", "domain", "method", "k", "parent")}
    return persona_row(writer, written, **keys, stage="final")


def _with_half(update_row: Row, seed: int, candidate: int) -> Row:
    """One row of `CANDIDATE_INPUT`: a random half of W_t (the larger half of an odd number), in time order."""
    *earlier, window = update_row["windows"]
    keys = (update_row["user"], update_row["domain"], update_row["method"], update_row["k"])
    order = np.random.default_rng(list(_digest(seed, *keys, candidate))).permutation(len(window))
    count = (len(window) + 1) // 2
    read, held_out = sorted(order[:count].tolist()), sorted(order[count:].tolist())
    predicted = update_row["predicted"]
    return {
        **update_row,
        "windows": [*earlier, [window[i] for i in read]],
        "predicted": None if predicted is None else [predicted[i] for i in read],
        "candidate": candidate,
        "held_out": held_out,
    }


def _asked(update_row: Row, persona_id: str, text: str, positions: Sequence[int]) -> Asked:
    """A persona, W_0..W_{t-1}, and some positions of W_t."""
    *earlier, window = update_row["windows"]
    windows = [*earlier, [window[i] for i in positions]]
    persona = {"id": persona_id, "user": update_row["user"], "domain": update_row["domain"], "text": text}
    return persona, {k: items for k, items in enumerate(windows) if items}


def _finals(drawn: pa.Table) -> list[Row]:
    return [row for row in drawn.to_pylist() if row["stage"] == "final"]


def _key(row: Row) -> tuple[str, str, str]:
    return row["domain"], row["user"], row["method"]


def _digest(*parts: object) -> bytes:
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).digest()
