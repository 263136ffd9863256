"""Write results into the documents: what stands between two marker lines comes from a JSON file.

    python scripts/docs_results.py            # writes; --check only compares, and exits 1 if a document differs

`<!-- NAME:begin -->` and `<!-- NAME:end -->` in README.md or docs/*.md hold what the renderer NAME makes of
docs/results/NAME.json (of its first word, where it has two: `small_details`). So no number in the documents is copied
by hand.
"""

import argparse
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from deeper.evaluation.schema import UPDATERS
from deeper.report.terminal import print_results

ROOT = Path(__file__).resolve().parents[1]
MARK = re.compile(r"<!-- (\w+):(?:begin|end) -->")
COLUMNS = 100
Results = Mapping[str, Any]


def demo(results: Results) -> str:
    """The tables that `deeper demo` prints, at 100 columns and without colour."""
    screen = io.StringIO()
    print_results(results, Console(file=screen, width=COLUMNS, color_system=None, force_terminal=False))
    tables = "\n".join(line.rstrip() for line in screen.getvalue().splitlines()).strip()
    seconds = results["cost"]["total"]["seconds"]
    return f"```text\n{tables}\n```\n\n{origin(results, f'{seconds:.0f} s in the stages')}"


def untuned(results: Results) -> str:
    """The demo without adapters: the error by round."""
    kinds = {one["method"]: one["prediction"] for one in results["errors"]}
    rounds = sorted({one["round"] for one in results["errors"]})
    rows = [(f"`{method}`", *_by_round(results, method, kind, rounds)) for method, kind in kinds.items()]
    return "\n\n".join((table(("untuned, error (MAE)", *(f"round {t}" for t in rounds)), rows), origin(results)))


def readers(results: Results) -> str:
    """What the trained predictor and policy are worth, and twenty personas."""
    reader, writer, leaks = (
        results[name] for name in ("predictor_vs_user_median", "policy_vs_user_median", "leak_rate")
    )
    swap, rank, headroom = (results[name] for name in ("persona_swap_effect", "rank_accuracy", "headroom"))
    rows = [
        ("predictor on the describer's personas, error / user median's", *_cells(reader), reader["users"]),
        ("policy's personas (`refine`, all rounds), error / user median's", *_cells(writer), writer["users"]),
        ("the same, round 0", *_cells(writer["round_0"]), writer["users"]),
        ("personas that name a title or a rating", f"{leaks['value']:.1%}", "", f"{leaks['personas']} personas"),
        ("rise of the error with another user's persona", *_cells(swap), swap["users"]),
        ("rank accuracy within a user (chance .5)", *_cells(rank), rank["users"]),
        ("split-half reliability of the reward", *_cells(results["split_half_reliability"]), _judged(results)),
        (
            "gain of the best direction over the old persona, per rating",
            *_cells(headroom["against_old"]),
            _judged(results),
        ),
        (
            "gain of the best direction over the mean one, per rating",
            *_cells(headroom["against_mean"]),
            _judged(results),
        ),
        ("sampling and rewarding a context, unshared / shared time", f"{results['sample_reward_speedup']:.1f}", "", ""),
        ("predictor training, items one by one / packed", f"{results['predictor_training_speedup']:.1f}", "", ""),
    ]
    personas = [f"- *{one['domain']}, round {one['round']}:* {one['text']}" for one in results["personas"]]
    return "\n\n".join(
        (
            table(("", "value", "95 % interval", "users"), rows),
            origin(results),
            f"{len(personas)} of the policy's personas, drawn at random from those that name nothing:",
            "\n".join(personas),
        )
    )


CEILING = {
    "what_updates_leave": "halfway verdict and the new window's facts, regression",
    "what_updates_leave_and_items": "the same, and what is known of the items",
    "verdict_alone": "halfway verdict, regression",
    "verdict_itself": "halfway verdict, taken for the prediction",
    "all_windows": "facts of all windows, regression",
    "first_window": "facts of the first window, regression",
    "constant": "the domain's constant",
}


CEILING_ROUNDS = ("what_updates_leave", "what_updates_leave_and_items", "all_windows")


def ceiling(results: Results) -> str:
    """What predictions from facts reach, beside the user median."""
    found = results["vs_user_median"]
    rows = [
        (told, *(interval(of[name]["value"], of[name]["ci"]) for of in found.values()))
        for name, told in CEILING.items()
    ]
    users = [f"{name}, {results['users'][name]} users" if name in results["users"] else name for name in found]
    last = results["last_round"]
    read, medians = (last[name] for name in ("what_updates_leave_vs_first_window", "user_median_vs_first_median"))
    gained = (
        f"In the last round, mean of the domains, updates leave {interval(read['value'], read['ci'])} × the error of"
        " the first window's regression; the median of all windows"
        f" {interval(medians['value'], medians['ci'])} × that of the first window's median."
    )
    rounds = [
        (one["round"], len(one["domains"]), *(interval(one[name]["value"], one[name]["ci"]) for name in CEILING_ROUNDS))
        for one in results["by_round"]
    ]
    heads = ("round", "domains", *(CEILING[name] for name in CEILING_ROUNDS))
    return "\n\n".join(
        (table(("error / user median's, all rounds", *users), rows), table(heads, rounds), gained, origin(results))
    )


def preference(results: Results) -> str:
    """What two iterations of preference learning do to the error, and what the same training takes elsewhere."""
    stages = {"before": "before", "after_iteration_1": "after iteration 1", "after_iteration_2": "after iteration 2"}
    rows: list[tuple[object, ...]] = []
    for stage, told in stages.items():
        judged = results["validation_mae"][stage]
        change = judged.get("difference")
        rows.append(
            (
                told,
                interval(judged["mae"], judged["ci"]),
                interval(change["difference"], change["ci"], "+.3f") if change else "",
                *(f"{judged[beside]['mae']:.3f}" for beside in ("frozen", "user_median")),
                judged["users"],
            )
        )
    rewards: list[str] = []
    for number, reward in enumerate(results["reward"], 1):
        pairs, reliability = reward["pairs"], reward["reliability"]
        rewards.append(
            f"Iteration {number}: {pairs['train']} pairs to learn from and {pairs['validation']} to judge by;"
            f" split-half reliability of the reward {interval(reliability['value'], reliability['ci'])}"
            f"{'' if reward['trustworthy'] else ', which is too low to be trusted'}."
        )
    compared = results["comparison"]
    beside = (
        f"The same training by LLaMA-Factory {compared['llamafactory_versions']['llamafactory']} ({compared['model']}"
        f" model, {compared['pairs']} pairs, {compared['epochs']} epochs): the losses of a step differ by at most"
        f" {results['loss_difference']:.1e}, and ours has {results['dpo_vs_llamafactory']:.1f} × its tokens per second."
    )
    heads = ("", "error of `refine`", "difference from before", "`frozen`", "`user_median`", "users")
    return "\n\n".join((table(heads, rows), " ".join(rewards), beside, origin(results)))


PAPER = {"over four rounds": 32.2, "seen domains": 29.4, "unseen domains, at most": 36.4}
"""Reductions in per cent, as the paper reports them (Chen et al., ACL 2025)."""


def small(results: Results) -> str:
    """The trained small model on users it has never seen: the error by round, beside what it is compared with."""
    rounds = sorted({one["round"] for one in _means(results, "persona")})
    users = sum(results["users"].values())
    others = {one["users"] for one in _means(results["untuned"], "persona") if one["method"] == "refine"}
    apart = "" if others == {users} else f" ({max(others)} users)"
    shown = [
        ("the user median", "user_median", results, "none"),
        ("**`refine`**", "refine", results, "persona"),
        ("`refine`, with the user's own ratings", "refine", results, "history"),
        ("the same ratings without a persona", "history_only", results, "history"),
        ("first persona for ever (`frozen`)", "frozen", results, "persona"),
        *((f"`{name}`", name, results, "persona") for name in UPDATERS if name != "refine"),
        ("no persona", "no_persona", results, "persona"),
        (f"`refine`, untuned model{apart}", "refine", results["untuned"], "persona"),
    ]
    rows = [(told, *cells) for told, name, run, kind in shown if any(cells := _by_round(run, name, kind, rounds))]
    said = f"{users} eval users of {len(results['users'])} domains, mean of the domains, 95 % intervals"
    return "\n\n".join((table(("error (MAE)", *(f"round {t}" for t in rounds)), rows), origin(results, said)))


def small_details(results: Results) -> str:
    """What was wanted of the small model and what it gives: targets, reductions, domains, personas."""
    targets = [
        (
            one["name"],
            _value(one.get("value")),
            _limits(one.get("ci")),
            one["target"],
            "holds" if one["holds"] else "**missed**" if "value" in one else "not judged",
        )
        for one in results["targets"]
    ]
    reductions = [
        (method, *(_per_cent(results["reduction"][kind].get(method, {}).get("mean")) for kind in REDUCTIONS))
        for method in results["reduction"]["across_windows"]
    ]
    untuned = results["untuned"]["reduction"]
    reductions.append(
        ("`refine`, untuned model", *(_per_cent(untuned[kind]["refine"].get("mean")) for kind in REDUCTIONS))
    )
    names = ("refine", "frozen", "user_median")
    converged = [
        (one["domain"], *(" ".join(f"{error:.3f}" for error in one[name]) for name in names),
         "none" if one["rounds_to_most"] is None else one["rounds_to_most"])
        for one in results["convergence"]
    ]  # fmt: skip
    drawn = [f"- *{one['domain']}, round {one['round']}:* {one['text']}" for one in results["personas"]]
    paper = ", ".join(f"{told} {value}" for told, value in PAPER.items())
    parts = [
        table(("", "value", "95 % interval", "wanted", ""), targets),
        f"Reduction of the error in per cent (the paper's: {paper}):",
        table(("", "across windows", "on the same window"), reductions),
        "Error by round, 0 to the last, and the first round with nine tenths of the last one's gain over `frozen`:",
        table(("", "`refine`", "`frozen`", "`user_median`", "round"), converged),
        f"{len(drawn)} personas of eval users, drawn at random from those that name nothing:",
        "\n".join(drawn),
    ]
    return "\n\n".join((*parts, origin(results)))


def ablation(results: Results) -> str:
    """Trainings of which a part is missing or changed, each against the first."""
    rows = [
        (one["name"], interval(one["ratio"]["value"], one["ratio"]["ci"]),
         interval(one["difference"]["value"], one["difference"]["ci"], "+.3f"), one["users"])
        for one in results["runs"]
    ]  # fmt: skip
    heads = ("validation users", "`refine` / user median, all rounds", "difference to the first line", "users")
    return "\n\n".join((table(heads, rows), origin(results)))


REDUCTIONS = ("across_windows", "same_window")


def _means(results: Results, kind: str) -> list[Results]:
    """Errors on held-out windows, mean of all domains (of the one domain, where there is one)."""
    held_out = [one for one in results["errors"] if (one["role"], one["prediction"]) == ("future", kind)]
    domains = {one["domain"] for one in held_out}
    return [one for one in held_out if one["domain"] == "mean" or len(domains) == 1]


def _by_round(results: Results, method: str, kind: str, rounds: Sequence[int]) -> list[str]:
    found = {one["round"]: one for one in _means(results, kind) if one["method"] == method}
    return [interval(found[t]["mae"], found[t]["ci"]) if t in found else "" for t in rounds]


def _value(value: float | Sequence[float] | None) -> str:
    if isinstance(value, Sequence):
        return ", ".join(f"{one:.3f}" for one in value)
    return "" if value is None else f"{value:.4g}"


def _limits(limits: Sequence[float] | None) -> str:
    return "..".join(f"{limit:.3f}" for limit in limits) if limits else ""


def _per_cent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def tracker(results: Results) -> str:
    """What the README's lines of Python print."""
    seconds = f"{results['seconds']:.0f} s"
    return f"```text\n{results['printed']}\n```\n\n{origin(results, seconds)}"


def robustness(results: Results) -> str:
    """What the readers of foreign bytes were fed, and how runs ended that were disturbed."""
    fuzz, chaos = results["fuzz"], results["chaos"]
    columns = ("inputs", "seconds", "coverage", "corpus", "findings")
    targets = [(f"`{name}`", *(one[column] for column in columns)) for name, one in fuzz["targets"].items()]
    total = {column: sum(one[column] for one in fuzz["targets"].values()) for column in columns}
    targets.append(("all", total["inputs"], round(total["seconds"]), "", total["corpus"], total["findings"]))
    outcomes = [(*name.split(": "), count) for name, count in chaos["outcomes"].items()]
    disturbed = ", ".join(f"{name} {count}" for name, count in chaos["disturbed"].items())
    told = (
        f"{chaos['folders_the_same']} of {chaos['folders']} folders that were disturbed, {chaos['runs']} times"
        f" altogether, ended with the bytes of undisturbed ones. Disk full by: {chaos['disk_full_by']}."
        f" Times: {disturbed}."
    )
    heads = ("reader", "inputs", "seconds", "places reached", "inputs kept", "findings")
    return "\n\n".join(
        (
            table(heads, targets),
            origin(fuzz, f"{fuzz['minutes']:g} minutes"),
            table(("disturbed by", "the run", "times"), outcomes),
            told,
            origin(chaos),
        )
    )


SPEED = {
    "throughput_vs_bare": "generated tokens a second, a run's writing / the bare pipeline",
    "samples_vs_one_prefill": "15 samples of a prompt / one prefill, in time",
    "score_vs_limit_1": "items scored a second / the limit, one window",
    "score_vs_limit_3": "the same, three windows",
    "prediction_vs_published": "a window predicted, time of the published flow / ours",
    "refinement_vs_published": "a persona refined, the same",
    "round_vs_published": "both, the same",
    "help_seconds_over_bare": "`deeper --help`, seconds over a bare interpreter",
    "memory_ratio_1000_vs_16": "peak memory without a model, 1,000 users / 16",
    "outside_engine_share": "a user's time outside of the engine / the embedded engine's",
    "report_seconds_open": "seconds until the page of 1,000 users is open",
    "report_megabytes": "its size in megabytes",
}


def speed(results: Results) -> str:
    """What was measured, and whether it is as fast as wanted."""
    rows: list[tuple[object, ...]] = []
    for name, told in SPEED.items():
        if name not in results:
            rows.append((told, "not measured", "", "", "", ""))
            continue
        one = results[name]
        rows.append((told, *_speed(one)))
        if "with_titles" in one:
            rows.append((f"{told}, its ratings with titles", *_speed(one["with_titles"])))
    return "\n\n".join((table(("", "median", "range", "repeats", "wanted", ""), rows), origin(results)))


def _speed(one: Results) -> tuple[object, ...]:
    least = "≥" if one["better"] == "higher" else "≤"
    verdict = "holds" if one["holds"] else "**falls short**"
    span = "..".join(f"{limit:.3g}" for limit in one["range"])
    return f"{one['value']:.3g}", span, one["repeats"], f"{least} {one['target']:g}", verdict


def prepare(results: Results) -> str:
    """What raw files take until they are windows, and whether that is as little as wanted."""
    ways = ("parse_and_sort", "pandas", "least")
    runs = [
        (f"{one['domain']} ({one['format']})", f"{one['ratings']:,}", f"{one['prepare']['seconds']:.1f}",
         f"{one['prepare']['peak_gib']:.2f}", *(f"{one[way]['seconds']:.1f}" if way in one else "" for way in ways))
        for one in results["runs"]
    ]  # fmt: skip
    wanted: list[tuple[str, float | None, str, float]] = [
        *((f"prepare / parse and sort, {name}", value, "≤", 3) for name, value in results["vs_parse_and_sort"].items()),
        *((f"pandas / prepare, {name}", value, "≥", 8) for name, value in (results["vs_pandas"] or {}).items()),
        ("peak memory at 20M ratings, GiB", results["peak_gib_20m"], "≤", 4),
        ("peak memory at 100M ratings, GiB", results["peak_gib_100m"], "≤", 4),
        ("seconds for a rating, 100M / 5M", results["per_rating_100m_vs_5m"], "≤", 1.15),
    ]
    figures = [
        (name, "not measured" if value is None else f"{value:.2f}", f"{way} {target:g}", _holds(value, way, target))
        for name, value, way, target in wanted
    ]
    heads = ("raw file", "ratings", "`deeper prepare`, s", "its peak, GiB", "parse and sort, s", "pandas, s",
             "least of any way, s")  # fmt: skip
    figures += [(f"pandas / least of any way, {name}", f"{value:.2f}", "", "")
                for name, value in (results["vs_pandas_at_most"] or {}).items()]  # fmt: skip
    return "\n\n".join((table(heads, runs), table(("", "measured", "wanted", ""), figures), origin(results)))


def _holds(value: float | None, way: str, target: float) -> str:
    if value is None:
        return ""
    return "holds" if (value <= target if way == "≤" else value >= target) else "**falls short**"


RENDERERS: Mapping[str, Callable[[Results], str]] = {
    "small": small,
    "small_details": small_details,
    "demo": demo,
    "untuned": untuned,
    "readers": readers,
    "ceiling": ceiling,
    "ablation": ablation,
    "transfer": ablation,
    "preference": preference,
    "tracker": tracker,
    "robustness": robustness,
    "speed": speed,
    "prepare": prepare,
}


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def origin(results: Results, *more: str) -> str:
    """One line of where results come from: commit, machine, seed."""
    machine = results["machine"]
    commit = f"commit `{results['commit'][:12]}`" if results["commit"] else "no commit"
    if (results["commit"] or "").endswith("+changes"):
        commit += " with changes"
    parts = (f"{machine['processor']}, {machine['cores']} cores", *more, f"seed {results['seed']}")
    return f"From {commit}; {'; '.join(parts)}. Written by `scripts/docs_results.py`."


def _cells(found: Results) -> tuple[str, str]:
    return f"{found['value']:.3f}", "..".join(f"{limit:.3f}" for limit in found["ci"])


def interval(value: float | None, limits: Sequence[float], form: str = ".3f") -> str:
    """A value and its interval."""
    if value is None:
        return "unknown"
    return f"{value:{form}} ({'..'.join(f'{limit:{form}}' for limit in limits)})"


def _judged(results: Results) -> str:
    return f"{results['reward_counts']['contexts']} contexts"


def with_blocks(document: str, results: Path, where: str) -> str:
    """A document with the text between its markers made anew.

    Args:
        document: Its text.
        results: The folder of the JSON files.
        where: Its name, for errors.

    Raises:
        SystemExit: A marker is not one of a pair, has no renderer, or its JSON file is missing.
    """
    for name in dict.fromkeys(MARK.findall(document)):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, _, rest = document.partition(begin)
        _, _, after = rest.partition(end)
        if MARK.findall(document).count(name) != 2 or end not in rest:
            raise SystemExit(f"{where} needs {begin} and {end}, each once and in this order")
        if name not in RENDERERS:
            raise SystemExit(f"{where}: nothing renders {name!r}; choose from {', '.join(RENDERERS)}")
        source = results / f"{name.partition('_')[0]}.json"
        if not source.is_file():
            raise SystemExit(f"{where}: there is no {source.name} in {results}; run what makes it")
        block = RENDERERS[name](json.loads(source.read_text("utf-8")))
        document = f"{before}{begin}\n{block}\n{end}{after}"
    return document


def main() -> int:
    """Write or check; 0 if the documents hold their results (now), 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a document differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder with README.md and docs")
    options = parser.parse_args()
    stale = False
    for path in (options.root / "README.md", *sorted(options.root.glob("docs/*.md"))):
        document = path.read_text("utf-8")
        wanted = with_blocks(document, options.root / "docs" / "results", path.name)
        if options.check and document != wanted:
            print(f"{path.name} does not hold the results; run this without --check")
            stale = True
        elif document != wanted:
            path.write_text(wanted, "utf-8")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
