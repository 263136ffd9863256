"""Direction search at test time: N candidates for S_t, judged by ratings that they have not read, all known at time t.

Each candidate is sampled from the updater's own prompt over a random half of W_t (of the discrepancies, for
`refine`) and judged by the calibrated predictor on the other half of W_t and on W_0..W_{t-1}:

    gain = MAE(old persona) − MAE(candidate)        over the same ratings, each counted once

The candidate with the highest gain becomes S_t; where no gain is above 0 the old persona stays. Nothing behind W_t is
in any of these tables. The old persona has read W_{t-1}, and so it is judged kindly: a candidate that wins has earned
it. Three steps, of which the first two call an engine: `draw` (policy), predictions of `asked_to_choose`, `choose`.
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
from deeper.persona.write import Writer, Written, persona_row

Row = Mapping[str, Any]

CANDIDATE_INPUT = pa.schema(
    [
        *UPDATE_INPUT,
        pa.field("candidate", pa.int16(), nullable=False),
        pa.field("held_out", pa.list_(pa.int16()), nullable=False),
    ]
)
"""`UPDATE_INPUT` of one candidate, counted from 0: W_t and its predicted points hold only the half that is read,
`held_out` says which positions of the whole W_t are left to judge by. Rows are sorted by candidate."""

CANDIDATE = pa.schema([*PERSONA, pa.field("candidate", pa.int16(), nullable=False)])
"""Candidates as persona rows, their short-term personas among them."""

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
"""What was decided: each candidate with the number of `ratings` it was judged by, the MAE of the old persona and its
own on them, and their difference; null where `failure` says why it could not be judged. At most one candidate of a
(user, domain, method, k) is `chosen`; where none is, the old persona stayed."""


def halves(table: pa.Table, seed: int, n: int) -> pa.Table:
    """What each candidate reads: `UPDATE_INPUT` to `CANDIDATE_INPUT`, `n` rows for each.

    Args:
        table: The updates to search for.
        seed: Seed of the halves; the half of a candidate depends on it, the user, domain, method, k and candidate.
        n: Candidates of each update.
    """
    rows = [_half(row, seed, candidate) for candidate in range(n) for row in table.to_pylist()]
    return pa.Table.from_pylist(rows, schema=CANDIDATE_INPUT)


def draw(table: pa.Table, writer: Writer, domains: Mapping[str, Domain]) -> pa.Table:
    """Sample the candidates: `CANDIDATE_INPUT` to `CANDIDATE`.

    Candidates of one number share a seed of the engine, which `seed` of the rows holds.
    """
    parts: list[pa.Table] = [CANDIDATE.empty_table()]
    for candidate in pc.unique(table["candidate"]).to_pylist():
        seed = int.from_bytes(_digest(writer.seed, candidate)[:4]) >> 1
        own = table.filter(pc.field("candidate") == candidate).select(UPDATE_INPUT.names)
        written = update(own, replace(writer, temperature=RECIPE.search_temperature, seed=seed), domains)
        numbers = pa.array([candidate] * written.num_rows, pa.int16())
        parts.append(written.append_column(CANDIDATE.field("candidate"), numbers).cast(CANDIDATE))
    return pa.concat_tables(parts)


def asked_to_choose(table: pa.Table, split: pa.Table, drawn: pa.Table) -> list[Asked]:
    """What the predictor is asked: W_0..W_t of each old persona once, of each candidate the ratings it is judged by.

    Args:
        table: `UPDATE_INPUT` rows.
        split: Their `halves`.
        drawn: What `draw` made of these.
    """
    updates = {_key(row): row for row in table.to_pylist()}
    held_out = {(_key(row), row["candidate"]): row["held_out"] for row in split.to_pylist()}
    asked: dict[str, Asked] = {}
    for case in updates.values():
        everything = range(len(case["windows"][-1]))
        asked[case["parent"]] = _asked(case, case["parent"], case["persona"], everything)
    for candidate in _finals(drawn):
        if not candidate["failure"]:
            key = _key(candidate)
            positions = held_out[key, candidate["candidate"]]
            asked[candidate["id"]] = _asked(updates[key], candidate["id"], candidate["text"], positions)
    return list(asked.values())


def choose(
    table: pa.Table,
    split: pa.Table,
    drawn: pa.Table,
    predictions: pa.Table,
    parents: Mapping[str, Row],
    writer: Writer,
    domains: Mapping[str, Domain],
) -> tuple[pa.Table, pa.Table]:
    """The personas of the round: for each update the best candidate, or the old persona under a new id.

    A window of which either prediction failed is left out of the comparison. Where every candidate failed to be
    written, the persona's `failure` says why.

    Args:
        table: `UPDATE_INPUT` rows.
        split: Their `halves`.
        drawn: What `draw` made of these.
        predictions: Calibrated predictions of `asked_to_choose`.
        parents: `PERSONA` rows of the old personas, by id.
        writer: Who wrote the candidates.
        domains: By id.

    Returns:
        `PERSONA` rows (those of a chosen candidate's short-term persona first) and `SEARCH` rows.
    """
    points = {(row["persona_id"], row["k"]): row["points"] for row in predictions.to_pylist() if not row["failure"]}
    held_out = {(_key(row), row["candidate"]): row["held_out"] for row in split.to_pylist()}
    short = {(_key(row), row["candidate"]): row for row in drawn.to_pylist() if row["stage"] == "short_term"}
    candidates: dict[tuple[str, str, str], list[Row]] = {}
    for row in _finals(drawn):
        candidates.setdefault(_key(row), []).append(row)

    personas: list[Row] = []
    decisions: list[Row] = []
    for case in table.to_pylist():
        key, domain = _key(case), domains[case["domain"]]
        own = candidates[key]
        verdicts = [_judge(case, held_out[key, row["candidate"]], row, points, domain) for row in own]
        best = max(range(len(own)), key=lambda i: (verdicts[i].gain, -own[i]["candidate"]))
        chosen = own[best] if verdicts[best].gain > RECIPE.search_tolerance else None
        if chosen is None:
            failed = own[0]["failure"] if all(row["failure"] for row in own) else ""
            personas.append(_kept(case, parents[case["parent"]], failed, writer))
        else:
            personas += [short[key, chosen["candidate"]]] if (key, chosen["candidate"]) in short else []
            personas.append(chosen)
        decisions += [_decision(row, verdict, row is chosen) for row, verdict in zip(own, verdicts, strict=True)]
    kept = [{name: row[name] for name in PERSONA.names} for row in personas]
    return pa.Table.from_pylist(kept, schema=PERSONA), pa.Table.from_pylist(decisions, schema=SEARCH)


@dataclass(frozen=True)
class _Verdict:
    """Errors of the old persona and of a candidate over the same ratings; of no use where there are none."""

    ratings: int
    mae_old: float
    mae: float

    @property
    def gain(self) -> float:
        return self.mae_old - self.mae if self.ratings else -np.inf


def _judge(
    case: Row,
    held_out: Sequence[int],
    candidate: Row,
    points: Mapping[tuple[str, int], Sequence[float]],
    domain: Domain,
) -> _Verdict:
    old: list[float] = []
    new: list[float] = []
    actual: list[float] = []
    last = len(case["windows"]) - 1
    for k, window in enumerate(case["windows"]):
        before, after = points.get((case["parent"], k)), points.get((candidate["id"], k))
        if before is None or after is None:
            continue
        positions = list(held_out) if k == last else list(range(len(window)))
        old += [before[i] for i in positions]
        new += after
        actual += [window[i]["rating"] for i in positions]
    rated: NDArray[np.bool_] = domain.is_rated(np.array(actual))
    if not rated.any():
        return _Verdict(0, 0, 0)
    true = np.array(actual)[rated]
    errors = [mean_absolute_error(np.array(found)[rated], true) for found in (old, new)]
    return _Verdict(len(true), *errors)


def _decision(candidate: Row, verdict: _Verdict, chosen: bool) -> Row:
    judged = verdict.ratings > 0
    return {
        **{name: candidate[name] for name in SEARCH.names if name in candidate},
        "ratings": verdict.ratings,
        "mae_old": verdict.mae_old if judged else None,
        "mae": verdict.mae if judged else None,
        "gain": verdict.gain if judged else None,
        "chosen": chosen,
        "failure": candidate["failure"] or ("" if judged else "there is no rating to judge it by"),
    }


def _kept(case: Row, parent: Row, failure: str, writer: Writer) -> Row:
    """The old persona as S_t: the same text, with a row of its own."""
    written = Written(parent["text"], parent["tokens"], tuple(parent["leaks"]), failure)
    keys = {name: case[name] for name in ("user", "domain", "method", "k", "parent")}
    return persona_row(writer, written, **keys, stage="final")


def _half(row: Row, seed: int, candidate: int) -> Row:
    """One candidate's reading: half of W_t (the larger half of an odd number), in time order."""
    *earlier, window = row["windows"]
    keys = (row["user"], row["domain"], row["method"], row["k"])
    order = np.random.default_rng(list(_digest(seed, *keys, candidate))).permutation(len(window))
    count = (len(window) + 1) // 2
    read, held_out = sorted(order[:count].tolist()), sorted(order[count:].tolist())
    predicted = row["predicted"]
    return {
        **row,
        "windows": [*earlier, [window[i] for i in read]],
        "predicted": None if predicted is None else [predicted[i] for i in read],
        "candidate": candidate,
        "held_out": held_out,
    }


def _asked(case: Row, persona_id: str, text: str, positions: Sequence[int]) -> Asked:
    """A persona and W_0..W_{t-1}, and of W_t the positions that it is judged by."""
    *earlier, window = case["windows"]
    windows = [*earlier, [window[i] for i in positions]]
    persona = {"id": persona_id, "user": case["user"], "domain": case["domain"], "text": text}
    return persona, {k: items for k, items in enumerate(windows) if items}


def _finals(drawn: pa.Table) -> list[Row]:
    return [row for row in drawn.to_pylist() if row["stage"] == "final"]


def _key(row: Row) -> tuple[str, str, str]:
    return row["domain"], row["user"], row["method"]


def _digest(*parts: object) -> bytes:
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).digest()
