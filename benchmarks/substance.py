"""What do personas hold, and does the predictor use it? `docs/results/substance.json`.

    deeper synth users --users 200 --out planted
    deeper evaluate --data planted --split all --users 200 --rounds 2 --methods refine,user_median --out RUNS/planted
    python benchmarks/long_users.py long
    deeper evaluate --data long --rounds 20 --roles future \
        --methods refine,full_regeneration,frozen,user_median --out RUNS/long
    python benchmarks/substance.py RUNS/results [RUNS/more …] --planted RUNS/planted --long RUNS/long > substance.json

From the runs, with all rounds of `refine` together where nothing else is said:

- `names_a_kind`, `content_words` (last round), `later_residuals`: as in results.json.
- `level_only_difference`: the run's predictor predicts the next window from the level sentence alone (the first that
  names a level). CRPS of that minus CRPS of the whole persona; above 0 the rest of the persona helps.
- `permutation_difference`: each user gets the persona of another user of the domain with the same usual verdict (the
  median of the ratings so far, to half a step). CRPS of that minus CRPS of the own persona; above 0 personas hold more
  than a level. Users without such a partner are left out.

Users are paired, and a user's value is the mean over rounds. Intervals are 95 % t intervals over users; with several
domains, values are means over domains. From a run on planted users, at round 2: `taste_recall`, the share of planted
kinds named on the right side, and `taste_wrong`, the share of named kinds that are neutral or on the wrong side. From a
long run: `long_stream`, see `long_stream.py`. Prints JSON.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from deeper.behaviour.planted.check import read_planted
from deeper.behaviour.splits import user_hash
from deeper.evaluation.comparison import DomainGroup
from deeper.evaluation.runs.load_run import Run, load_run
from deeper.evaluation.runs.taste_recall import taste_recall
from deeper.evaluation.substance.entry import MeanOfUsers, SubstanceEntry
from deeper.evaluation.substance.substance_entries import substance_entries
from deeper.evaluation.substance.user_measures import Place, UserMeasures, user_measures
from deeper.persona.evidence.facts import median_rating
from deeper.storage.provenance import provenance
from long_stream import long_stream
from paired import Key, Row, difference, with_interval
from predict_again import Again, Errors, again, level_only, of_measure

METHOD = "refine"
TASTE_ROUND = 2
ALL = "mean"


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*", help="run folders of deeper evaluate with refine")
    parser.add_argument("--planted", type=Path, help="run on a folder of deeper synth users, of two rounds or more")
    parser.add_argument("--long", type=Path, help="run of 20 rounds with refine, full_regeneration and user_median")
    given = parser.parse_args()
    result: Row = {"benchmark": "substance", **provenance(), "runs": [run.name for run in given.runs]}
    if given.planted:
        result |= planted_taste(load_run(given.planted))
    if given.runs:
        runs = [again(folder) for folder in given.runs]
        result |= held([one.run for one in runs]) | differences(runs)
    if given.long:
        result["long_stream"] = long_stream(load_run(given.long))
    print(json.dumps(result, indent=1, allow_nan=False))


def planted_taste(run: Run) -> Row:
    """`taste_recall` and `taste_wrong`."""
    found = taste_recall(run, read_planted(Path(run.settings["data"])), METHOD, TASTE_ROUND)
    return {
        "taste_recall": {**with_interval(found.recall), "users": found.users},
        "taste_wrong": {**with_interval(found.wrong), "users": found.users},
    }


def held(runs: Sequence[Run]) -> Row:
    """What the personas of all runs together hold."""
    rounds = min(run.settings["rounds"] for run in runs)
    measures: dict[Place, UserMeasures] = {}
    for run in runs:
        measures |= user_measures(run.personas, run.predictions, run.windows, run.domains, rounds, [METHOD])
    domains = sorted({domain for domain, *_ in measures})
    groups = [DomainGroup(ALL, tuple(domains)), *(DomainGroup(domain, (domain,)) for domain in domains)]
    entries = {(one.domain, one.round): one for one in substance_entries(measures, groups, rounds)}

    def figure(name: str, t: int | None) -> Row:
        values = {group.name: _value(entries.get((group.name, t)), name) for group in groups}
        return {**values.pop(ALL), "domains": values}

    return {
        "names_a_kind": {"round": rounds, **figure("names_kind", rounds)},
        "content_words": {"round": rounds, **figure("content_words", rounds)},
        "later_residuals": figure("later_residuals", None),
    }


def _value(entry: SubstanceEntry | None, name: str) -> Row:
    found = None if entry is None else getattr(entry, name)
    if isinstance(found, MeanOfUsers):
        ci = None if None in found.ci else [round(end or 0.0, 4) for end in found.ci]
        return {"value": round(found.value or 0.0, 4), "ci": ci, "users": found.users}
    users = entry.names_kind.users if entry and entry.names_kind else 0
    return {"value": found, "ci": None, "users": users}


def differences(runs: Sequence[Again]) -> Row:
    """`level_only_difference` and `permutation_difference`."""
    whole: Errors = {}
    level: Errors = {}
    permuted: Errors = {}
    for one in runs:
        judged = refined(one)
        whole |= own_errors(one.run)
        level |= one.errors([({**row, "text": level_only(row["text"])}, k) for row, k in judged])
        permuted |= one.errors(swapped(judged, one))
    return {
        "level_only_difference": compared(level, whole),
        "permutation_difference": {
            **compared(permuted, whole),
            "without_partner": len({key for key, _ in whole} - {key for key, _ in permuted}),
        },
    }


def refined(one: Again) -> list[tuple[Row, int]]:
    """Return S_0 and each later persona of `refine` with the number of the next window, if it was judged."""
    judged = own_errors(one.run)
    rows = one.run.personas.to_pylist()
    chosen = [
        (row, row["k"] + 1) for row in rows if row["method"] in ("initialise", METHOD) and row["stage"] == "final"
    ]
    return [(row, k) for row, k in chosen if ((row["domain"], row["user"]), k) in judged]


def own_errors(run: Run) -> Errors:
    """Return the errors of the run's own predictions from `refine`'s personas on the next window."""
    return {
        ((row["domain"], row["user"]), row["round"] + 1): {"mae": row["mae"], "crps": row["crps"]}
        for row in run.errors.to_pylist()
        if (row["method"], row["role"], row["prediction"]) == (METHOD, "future", "persona")
    }


def swapped(judged: Sequence[tuple[Row, int]], one: Again) -> list[tuple[Row, int]]:
    """Give each user the persona of the next user with the same usual verdict; in a fixed random order, in a circle.

    Args:
        judged: Personas and the windows to predict.
        one: The run, for the ratings so far.
    """
    groups: dict[tuple[str, int, float], list[Row]] = {}
    domains = one.plan.loaded.domains
    for row, k in judged:
        windows = one.windows[row["domain"], row["user"]][:k]
        level = median_rating(windows, domains[row["domain"]])
        groups.setdefault((row["domain"], k, level), []).append(row)
    found: list[tuple[Row, int]] = []
    for (_, k, _), rows in groups.items():
        ordered = sorted(rows, key=lambda row: user_hash(row["domain"], row["user"]))
        others = [*ordered[1:], ordered[0]]
        if len(rows) > 1:
            found += [({**own, "text": other["text"]}, k) for own, other in zip(ordered, others, strict=True)]
    return found


def compared(changed: Errors, whole: Errors) -> Row:
    """Return the difference to the whole persona in CRPS, and in MAE, over the places that both have."""
    places = changed.keys() & whole.keys()
    first, second = ({place: errors[place] for place in places} for errors in (changed, whole))

    def of(measure: str, domain: str | None = None) -> Row:
        mine, theirs = (_of_domain(of_measure(errors, measure), domain) for errors in (first, second))
        return {**with_interval(difference(mine, theirs)), "users": len(mine)}

    domains = sorted({key[0] for key, _ in places})
    return {**of("crps"), "mae": of("mae"), "domains": {domain: of("crps", domain) for domain in domains}}


def _of_domain(values: Mapping[Key, float], domain: str | None) -> Mapping[Key, float]:
    return {key: value for key, value in values.items() if domain in (None, key[0])}


if __name__ == "__main__":
    main()
