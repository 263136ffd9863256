"""Tables of the benchmarks and the demo; `docs_small` and `docs_ceiling` have the others."""

import io
from collections.abc import Callable

from rich.console import Console

from deeper.evaluation.results_schema import parse_results
from deeper.report.terminal.summary import print_summary
from deeper.report.terminal.tables import print_results
from docs_cells import Results, cells, interval, literal, origin, table

COLUMNS = 100


def demo(results: Results) -> str:
    """The tables that `deeper demo --full` prints, at 100 columns and without colour."""
    return _printed(results, print_results)


def persona(results: Results) -> str:
    """One user's first persona, what it predicted, and the refined persona with the changed words marked."""
    marks = {"kept": "{}", "deleted": "~~{}~~", "inserted": "**{}**"}
    changed = " ".join(marks[one["kind"]].format(literal(one["text"])) for one in results["changes"])
    rows = [(literal(one["title"]), f"{one['predicted']:g}", f"{one['actual']:g}") for one in results["window"]]
    return "\n\n".join(
        (
            f"> {literal(results['before'])}",
            "What this persona predicted for the next ten movies, and what the user gave:",
            table(("movie", "predicted", "actual"), rows),
            "The refined persona; ~~struck~~ words are gone, **bold** ones are new:",
            f"> {changed}",
            origin(results),
        )
    )


def demo_summary(results: Results) -> str:
    """The summary that `deeper demo` prints."""
    return _printed(results, lambda found, console: print_summary(parse_results(found, "demo.json"), console))


def _printed(results: Results, show: Callable[[Results, Console], None]) -> str:
    screen = io.StringIO()
    show(results, Console(file=screen, width=COLUMNS, color_system=None, force_terminal=False))
    printed = "\n".join(line.rstrip() for line in screen.getvalue().splitlines()).strip()
    seconds = results["cost"]["total"]["seconds"]
    return f"```text\n{printed}\n```\n\n{origin(results, f'{seconds:.0f} s in the stages')}"


def readers(results: Results) -> str:
    """The first trained predictor and policy against the user median, and twenty personas."""
    predictor, policy, leaks = (
        results[name] for name in ("predictor_vs_user_median", "policy_vs_user_median", "leak_rate")
    )
    swap, rank, headroom = (results[name] for name in ("persona_swap_effect", "rank_accuracy", "headroom"))
    rows = [
        ("predictor on the describer's personas, error / user median's", *cells(predictor), predictor["users"]),
        ("policy's personas (`refine`, all rounds), error / user median's", *cells(policy), policy["users"]),
        ("the same, round 0", *cells(policy["round_0"]), policy["users"]),
        ("personas that name a title or a rating", f"{leaks['value']:.1%}", "", f"{leaks['personas']} personas"),
        ("rise of the error with another user's persona", *cells(swap), swap["users"]),
        ("rank accuracy within a user (chance .5)", *cells(rank), rank["users"]),
        ("split-half reliability of the reward", *cells(results["split_half_reliability"]), _contexts(results)),
        (
            "gain of the best direction over the old persona, per rating",
            *cells(headroom["against_old"]),
            _contexts(results),
        ),
        (
            "gain of the best direction over the mean one, per rating",
            *cells(headroom["against_mean"]),
            _contexts(results),
        ),
        ("sampling and rewarding a context, unshared / shared time", f"{results['sample_reward_speedup']:.1f}", "", ""),
        ("predictor training, items one by one / packed", f"{results['predictor_training_speedup']:.1f}", "", ""),
    ]
    personas = [f"- *{one['domain']}, round {one['round']}:* {one['text']}" for one in results["personas"]]
    return "\n\n".join(
        (
            table(("", "value", "95 % interval", "users"), rows),
            origin(results),
            f"{len(personas)} random personas of the policy, without those that name a title or a rating:",
            "\n".join(personas),
        )
    )


def _contexts(results: Results) -> str:
    return f"{results['reward_counts']['contexts']} contexts"


def preference(results: Results) -> str:
    """The error before and after two iterations of preference learning, and the same training by LLaMA-Factory."""
    stages = {"before": "before", "after_iteration_1": "after iteration 1", "after_iteration_2": "after iteration 2"}
    rows: list[tuple[object, ...]] = []
    for stage, label in stages.items():
        error = results["validation_mae"][stage]
        change = error.get("difference")
        rows.append(
            (
                label,
                interval(error["mae"], error["ci"]),
                interval(change["difference"], change["ci"], "+.3f") if change else "",
                *(f"{error[other]['mae']:.3f}" for other in ("frozen", "user_median")),
                error["users"],
            )
        )
    rewards: list[str] = []
    for number, reward in enumerate(results["reward"], 1):
        pairs, reliability = reward["pairs"], reward["reliability"]
        rewards.append(
            f"Iteration {number}: {pairs['train']} train pairs and {pairs['validation']} validation pairs;"
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


def tracker(results: Results) -> str:
    """The output of the README's Python example."""
    seconds = f"{results['seconds']:.0f} s"
    return f"```text\n{results['printed']}\n```\n\n{origin(results, seconds)}"


def robustness(results: Results) -> str:
    """Counts of fuzzed inputs, and how disturbed runs ended."""
    fuzz, chaos = results["fuzz"], results["chaos"]
    columns = ("inputs", "seconds", "coverage", "corpus", "findings")
    targets = [(f"`{name}`", *(one[column] for column in columns)) for name, one in fuzz["targets"].items()]
    total = {column: sum(one[column] for one in fuzz["targets"].values()) for column in columns}
    targets.append(("all", total["inputs"], round(total["seconds"]), "", total["corpus"], total["findings"]))
    outcomes = [(*name.split(": "), count) for name, count in chaos["outcomes"].items()]
    disturbed = ", ".join(f"{name} {count}" for name, count in chaos["disturbed"].items())
    summary = (
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
            summary,
            origin(chaos),
        )
    )


SPEED = {
    "throughput_vs_bare": "generated tokens a second, a run's writing / the bare pipeline",
    "samples_vs_one_prefill": "15 samples of a prompt / one prefill, in time",
    "score_vs_limit_1": "items scored a second / the limit, one window",
    "score_vs_limit_3": "items scored a second / the limit, three windows",
    "score_vs_exact": "items scored a second, precision auto / exact",
    "prediction_vs_published": "a window predicted, time of the published flow / ours",
    "refinement_vs_published": "a persona refined, time of the published flow / ours",
    "round_vs_published": "both, time of the published flow / ours",
    "help_seconds_over_bare": "`deeper --help`, seconds over a bare interpreter",
    "demo_vs_before": "the demo's stages, time now / before",
    "peak_gib_demo": "peak memory of the demo, GiB",
    "memory_ratio_1000_vs_16": "peak memory, 1,000 users / 16",
    "outside_engine_share": "a user's time outside of the engine / the embedded engine's",
    "report_seconds_open": "seconds until the page of 1,000 users is open",
    "report_megabytes": "its size in megabytes",
}

VARIANTS = {
    "one_batch": "all its prompts as one batch",
    "at_best": "if ours took what the bare pipeline takes",
    "with_titles": "its ratings with titles",
    "without_model": "without the model",
}
"""Figures that are shown below another one."""


def speed(results: Results) -> str:
    """Speeds with their targets."""
    rows: list[tuple[object, ...]] = []
    for name, label in SPEED.items():
        if name not in results:
            rows.append((label, "not measured", "", "", "", ""))
            continue
        one = results[name]
        rows.append((label, *_speed(one)))
        rows += [(f"{label}, {variant}", *_speed(one[key])) for key, variant in VARIANTS.items() if key in one]
    return "\n\n".join((table(("", "median", "range", "repeats", "wanted", ""), rows), origin(results)))


def _speed(one: Results) -> tuple[object, ...]:
    least = "≥" if one["better"] == "higher" else "≤"
    span = "..".join(f"{limit:.3g}" for limit in one["range"])
    return f"{one['value']:.3g}", span, one["repeats"], f"{least} {one['target']:g}", _verdict(one)


SERVERS = {
    "slow_server_retries": "requests sent again or cancelled in a run of 4 users, slow server",
    "slow_server_throughput_vs_plain": "tokens a second, the engine / a plain client at its best, slow server",
    "wide_server_throughput_vs_plain": "the same, server with 32 slots and a fixed latency",
}


def servers(results: Results) -> str:
    """How well servers are used, with targets."""
    rows = [(label, *_speed(results[name])) for name, label in SERVERS.items()]
    note = f"The slow server is llama.cpp's with `{results['model']['file']}`."
    return "\n\n".join((table(("", "median", "range", "repeats", "wanted", ""), rows), f"{note} {origin(results)}"))


def precision(results: Results) -> str:
    """How far bfloat16 moves predictions, with the largest difference that is accepted."""
    rows: list[tuple[object, ...]] = [
        (f"{measure}, fast − exact, share of the error", f"{one['share']:+.2%}",
         f"{one['ci'][0]:+.2%}..{one['ci'][1]:+.2%}", f"within ±{one['wanted']:.1%}", _verdict(one))
        for name, measure in (("mae", "MAE"), ("crps", "CRPS"), ("refine", "MAE of `refine`"))
        for one in [results[f"{name}_difference"]]
    ]  # fmt: skip
    medians = results["medians_that_differ"]
    rows.append(("medians that differ", f"{medians['value']:.2%}", "", f"≤ {medians['wanted']:.0%}", _verdict(medians)))
    head = ("", "value", "interval (95 %)", "wanted", "")
    note = (
        f"{results['ratings']:,} ratings of {results['users']} validation users from the same personas; "
        f"`refine` on {results['refined_users']} of them, two rounds."
    )
    return "\n\n".join((table(head, rows), f"{note} {origin(results)}"))


def _verdict(one: Results) -> str:
    return "holds" if one["holds"] else "**falls short**"


def prepare(results: Results) -> str:
    """Time and memory from raw files to windows, with their targets."""
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
             "DuckDB's least, s")  # fmt: skip
    figures += [(f"pandas / DuckDB's least, {name}", f"{value:.2f}", "", "")
                for name, value in (results["vs_pandas_at_most"] or {}).items()]  # fmt: skip
    return "\n\n".join((table(heads, runs), table(("", "measured", "wanted", ""), figures), origin(results)))


def _holds(value: float | None, way: str, target: float) -> str:
    if value is None:
        return ""
    return "holds" if (value <= target if way == "≤" else value >= target) else "**falls short**"


def conversion(results: Results) -> str:
    """What larger models cost: converting them once, starting again, and a small run."""
    head = ("file", "weights", "convert, s", "peak, GB", "kept on disk, GB", "start again, s", "run, s", "its peak, GB")
    rows = [
        (f"`{one['file']}` ({one['file_bytes'] / 1e9:.2f} GB)", f"{one['weights'] / 1e9:.2f} billion",
         f"{one['convert']['seconds']:.0f}", f"{one['convert']['memory_bytes'] / 1e9:.1f}",
         f"{one['disk_bytes'] / 1e9:.1f}", f"{one['start']['seconds']:.0f}", f"{one['run']['seconds']:.0f}",
         f"{one['run']['memory_bytes'] / 1e9:.1f}")
        for one in results["models"]
    ]  # fmt: skip
    note = "The run is `deeper evaluate` with two users and one round, the model in both roles, without adapters."
    return "\n\n".join((table(head, rows), f"{note} {origin(results)}"))
