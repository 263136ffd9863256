"""Evaluate a trained predictor and a cold-started policy on validation users: `docs/results/readers.json`.

    python benchmarks/predictor_and_policy.py --predictor RUNS/predictor --data movielens_small --data FOLDER \
        --evaluated RUNS/movielens --evaluated RUNS/published --rewarded RUNS/sampled \
        --sampling sampling.json --training training.json --out docs/results/readers.json

The predictor predicts W_{k+1} from the describer's persona of W_0..W_k, and from that of another user of the domain. It
has knowledge of items if it learnt with it. It is calibrated on train users that it was not trained on. Errors of the
policy come from runs of `deeper evaluate --split validation --policy-adapter POLICY --predictor-adapter PREDICTOR`.
Reward and head-room come from a run of `deeper sample` and `deeper reward`, the speed-ups from
`benchmarks/sample_reward.py` and `benchmarks/train_predictor.py`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.load import load_windows
from deeper.behaviour.splits import user_hash
from deeper.behaviour.users import Key
from deeper.commands.execution.engines import make_engines
from deeper.commands.execution.population import choose_population, on_validation
from deeper.commands.execution.population_knowledge import item_knowledge_of
from deeper.domains import Domain
from deeper.engine.adapter import Adapter, load_adapter
from deeper.evaluation.results_schema import read_results
from deeper.learning.export.hub_cards import without_places
from deeper.measure.intervals import domain_mean_interval, domain_ratio_interval
from deeper.measure.metrics import mean_absolute_error, rank_accuracy
from deeper.persona.calibration import fit_calibration
from deeper.persona.describer.describe import describe
from deeper.persona.describer.updated_facts import facts_after_updates
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE
from deeper.persona.predict import PREDICT_INPUT, ItemKnowledge, predict, predict_row
from deeper.persona.prompts.templates import load_prompts
from deeper.storage import layout
from deeper.storage.provenance import provenance
from paired import by_domain, with_interval

SEED = 1
CALIBRATION_USERS = 16
SHOWN_PERSONAS = 20
Row = dict[str, Any]
ByUser = dict[Key, dict[str, float]]
"""Means over a user's windows, by figure."""


class People(NamedTuple):
    """Users with their windows.

    Attributes:
        evaluated: Validation users.
        calibrating: Train users.
        domains: By id.
        item_knowledge: By domain.
    """

    evaluated: dict[Key, Sequence[Any]]
    calibrating: dict[Key, Sequence[Any]]
    domains: dict[str, Domain]
    item_knowledge: dict[str, ItemKnowledge]


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictor", required=True, help="folder of the predictor's adapter")
    parser.add_argument("--data", required=True, action="append", help="as for deeper evaluate; repeatable")
    parser.add_argument("--domains", default="", help="domains with train users, separated by commas")
    parser.add_argument("--users", type=int, default=40, help="validation users of each domain")
    parser.add_argument("--evaluated", required=True, action="append", type=Path, help="run folder; repeatable")
    parser.add_argument("--rewarded", required=True, type=Path, help="run folder of deeper sample and deeper reward")
    parser.add_argument("--sampling", required=True, type=Path, help="output of benchmarks/sample_reward.py")
    parser.add_argument("--training", required=True, type=Path, help="output of benchmarks/train_predictor.py")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()

    sampling, training = (json.loads(path.read_text("utf-8")) for path in (given.sampling, given.training))
    results = {
        **provenance(),
        "seed": SEED,
        **evaluate_predictor(
            given.predictor, given.data, given.domains.split(",") if given.domains else [], given.users
        ),
        **evaluate_policy(given.evaluated),
        **rewards(json.loads((given.rewarded / layout.REWARD_REPORT_FILE).read_text("utf-8"))),
        "sample_reward_speedup": sampling["ratio"],
        "predictor_training_speedup": training["speedup"],
        "speed": {"sampling": sampling, "training": training},
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(without_places(results), indent=1, allow_nan=False) + "\n", "utf-8")


def evaluate_predictor(adapter: str, data: Sequence[str], chosen: Sequence[str], users: int) -> Row:
    """Errors of the predictor on the describer's personas and on swapped ones, and of the user median."""
    card = load_adapter(Path(adapter))
    people = validation_users(data, users, CALIBRATION_USERS, card, chosen)
    evaluated, domains = people.evaluated, people.domains
    assert not any(user_hash(*key) in card.users for key in evaluated), "a validation user was trained on"

    rows = [described_row(key, key, 0, people, "calibration") for key in people.calibrating]
    for key, windows in evaluated.items():
        last = len(windows) - 2
        rows += [described_row(key, key, k, people, "own") for k in sorted({0, last})]
        if (other := _neighbour(key, evaluated)) != key:
            rows.append(described_row(key, other, last, people, "swapped"))
    prompts = load_prompts()
    engine = make_engines({"predictor": ("embedded", adapter)}, prompts, "exact")["predictor"]
    raw = predict(pa.Table.from_pylist(rows, schema=PREDICT_INPUT), engine, prompts, domains, "distribution", SEED)
    mine = pa.array([row["persona_id"].startswith("calibration") for row in raw.to_pylist()])
    maps = fit_calibration(raw.filter(mine), people.calibrating, domains)
    found = maps.calibrate(raw.filter(pa.array([not one for one in mine.to_pylist()])), domains).to_pylist()

    by_user: ByUser = {}
    measured: dict[Key, dict[str, list[float]]] = {}
    for row in found:
        key = (row["domain"], row["user"])
        windows, domain = evaluated[key], domains[row["domain"]]
        actual = np.array([item["rating"] for item in windows[row["k"]]])
        rated = domain.is_rated(actual)
        if row["failure"] or not rated.any():
            continue
        past = np.array([item["rating"] for window in windows[: row["k"]] for item in window])
        past = past[domain.is_rated(past)]
        kind = row["persona_id"].partition(" ")[0]
        points = np.array(row["points"])[rated]
        expected = np.array(row["distribution"])[rated] @ domain.scale.values
        mine_here = measured.setdefault(key, {})
        mine_here.setdefault(kind, []).append(mean_absolute_error(points, actual[rated]))
        last = row["k"] == len(windows) - 1
        if kind == "own":
            if len(past):
                median = np.full(rated.sum(), np.median(past))
                mine_here.setdefault("median", []).append(mean_absolute_error(median, actual[rated]))
            mine_here.setdefault("rank", []).append(rank_accuracy(expected, actual[rated]))
            if last:
                mine_here.setdefault("own_last", []).append(mean_absolute_error(points, actual[rated]))
    for key, values in measured.items():
        by_user[key] = {name: float(np.nanmean(v)) for name, v in values.items() if not np.isnan(v).all()}
    both = [key for key, values in by_user.items() if {"own", "median"} <= values.keys()]
    swapped = [key for key, values in by_user.items() if {"own_last", "swapped"} <= values.keys()]
    ranked = [key for key, values in by_user.items() if "rank" in values]
    difference = {key: by_user[key]["swapped"] - by_user[key]["own_last"] for key in swapped}
    spread = float(np.std(list(difference.values()), ddof=1))
    swap = domain_mean_interval(by_domain(swapped, difference))
    return {
        "predictor_vs_user_median": {
            **with_interval(
                domain_ratio_interval(
                    by_domain(both, {key: by_user[key]["own"] for key in both}),
                    by_domain(both, {key: by_user[key]["median"] for key in both}),
                )
            ),
            "users": len(both),
            "domains": {
                name: {
                    kind: round(float(np.mean([by_user[key][kind] for key in both if key[0] == name])), 4)
                    for kind in ("own", "median")
                }
                for name in sorted({key[0] for key in both})
            },
        },
        "persona_swap_effect": {
            **with_interval(swap),
            "effect_size": round(swap.mean / spread, 3),
            "users": len(swapped),
        },
        "rank_accuracy": {
            **with_interval(domain_mean_interval(by_domain(ranked, {key: by_user[key]["rank"] for key in ranked}))),
            "chance": 0.5,
            "users": len(ranked),
        },
        "calibration": {name: asdict(one)["exponent"] for name, one in maps.domains.items()},
    }


def evaluate_policy(runs: Sequence[Path]) -> Row:
    """Errors and leaks of `refine` over all rounds, and errors of the user median on the same windows."""
    errors: list[Row] = []
    personas: list[Row] = []
    config: list[Row] = []
    for run in runs:
        settings = read_results(run / layout.RESULTS_FILE).config
        if settings["split"] != "validation":
            raise SystemExit(f"{run} is no run with --split validation")
        config.append({name: settings[name] for name in ("data", "users", "rounds", "max_persona_tokens")})
        errors += pq.read_table(run / layout.ERRORS_FILE).to_pylist()
        personas += pq.read_table(run / layout.PERSONAS_FILE).to_pylist()
    cells: dict[str, dict[Key, dict[int, float]]] = {"refine": {}, "user_median": {}}
    for row in errors:
        if row["method"] in cells and row["role"] == "future" and row["prediction"] != "history":
            cells[row["method"]].setdefault((row["domain"], row["user"]), {})[row["round"]] = row["mae"]
    rounds = {key: sorted(cells["refine"][key].keys() & cells["user_median"].get(key, {})) for key in cells["refine"]}

    def means(method: str, first: bool) -> dict[Key, float]:
        return {
            key: float(np.mean([cells[method][key][t] for t in (found[:1] if first else found)]))
            for key, found in rounds.items()
            if found
        }

    both = [key for key, found in rounds.items() if found]
    written = [row for row in personas if row["method"] in ("initialise", "refine") and not row["failure"]]
    ratios = {
        name: with_interval(
            domain_ratio_interval(by_domain(both, means("refine", first)), by_domain(both, means("user_median", first)))
        )
        for name, first in (("all_rounds", False), ("round_0", True))
    }
    leaking = {(row["domain"], row["user"], row["id"]): float(bool(row["leaks"])) for row in written}
    values = np.array(list(leaking.values()))
    return {
        "policy_vs_user_median": {
            **ratios["all_rounds"],
            "round_0": ratios["round_0"],
            "users": len(both),
            "of": config,
        },
        "leak_rate": {"value": round(float(values.mean()), 4), "personas": len(values)},
        "personas": _drawn([row for row in written if not row["leaks"]]),
    }


def _drawn(written: Sequence[Row]) -> list[Row]:
    """Return random personas with their domain and round."""
    ordered = sorted(written, key=lambda row: row["id"])
    chosen = np.random.default_rng(SEED).choice(len(ordered), min(SHOWN_PERSONAS, len(ordered)), replace=False)
    return [{"domain": ordered[i]["domain"], "round": ordered[i]["k"], "text": ordered[i]["text"]} for i in chosen]


def rewards(report: Row) -> Row:
    """Return reliability and head-room from reward.json."""
    chosen = report["reality"][report["config"]["reward"]]["overall"]
    return {
        "split_half_reliability": chosen["reliability"],
        "headroom": {name: chosen[name]["per_rating"] for name in ("against_old", "against_mean")},
        "reward_is_trustworthy": report["trustworthy"],
        "reward_counts": report["counts"],
    }


def validation_users(
    data: Sequence[str], users: int, calibration_users: int, predictor: Adapter, chosen: Sequence[str] = ()
) -> People:
    """Choose users as `deeper evaluate --split validation` does, with the item knowledge that a predictor learnt with.

    Args:
        data: As for `deeper evaluate`.
        users: Validation users of each domain, at most; those with one window are left out.
        calibration_users: Train users of each domain, at most. The predictor was not trained on them.
        predictor: The predictor's adapter.
        chosen: Domains, by id; all by default.
    """
    people = People({}, {}, {}, {})
    for source in data:
        loaded = on_validation(load_windows(source))
        population = choose_population(loaded, users, calibration_users, predictor.users)
        domains = {name: domain for name, domain in loaded.domains.items() if not chosen or name in chosen}
        says = item_knowledge_of(
            "population" if ITEM_KNOWLEDGE in predictor.templates else "none", population.table, loaded.domains
        )
        people.domains.update(domains)
        people.item_knowledge.update(dict.fromkeys(domains, says))
        for found, own in ((people.evaluated, population.eval), (people.calibrating, population.calibration)):
            found.update({key: windows for key, windows in own.items() if key[0] in domains and windows[1:]})
    return people


def described_row(key: Key, source: Key, k: int, people: People, kind: str) -> Row:
    """Return a `PREDICT_INPUT` row: W_{k+1} of a user, from the describer's persona of `source` after W_k."""
    everyone = {**people.calibrating, **people.evaluated}
    windows, domain = everyone[source], people.domains[source[0]]
    seen = windows[: min(k + 1, len(windows) - 1)]
    text = describe(facts_after_updates(seen, domain), seen, domain, seed=SEED)
    persona = {"id": f"{kind} {key[1]} {k}", "user": key[1], "domain": key[0], "text": text}
    return predict_row(persona, {k + 1: everyone[key][k + 1]}, people.item_knowledge[key[0]])


def _neighbour(key: Key, evaluated: Mapping[Key, Any]) -> Key:
    own = sorted((other for other in evaluated if other[0] == key[0]), key=lambda other: user_hash(*other))
    return own[(own.index(key) + 1) % len(own)]


if __name__ == "__main__":
    main()
