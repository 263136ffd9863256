"""The tables of what can be reached (`benchmarks/ceiling.py`)."""

from docs_cells import Results, interval, origin, table

CEILING = {
    "level": "level",
    "own_taste": "level and own taste",
    "items": "level and items",
    "all": "all",
}
CEILING_MEASURES = {
    "mae_ratio": "MAE / user median's",
    "crps_ratio": "CRPS / user median's",
    "rank_accuracy": "rank accuracy",
}
REFINING = {
    ("all_vs_first", "user_median"): "median of all windows / of the first",
    ("all_vs_first", "level"): "level, all windows / the first",
    ("all_vs_first", "all"): "all, all windows / the first",
    ("last_vs_all", "user_median"): "median of the last window / of all",
    ("last_vs_all", "level"): "level, the last window / all windows",
    ("last_vs_all", "all"): "all, the last window / all windows",
}


def ceiling(results: Results) -> str:
    """Errors of a predictor without language, relative to the user median, and what more windows are worth."""
    pooled, to_level = results["pooled"], results["against_level"]
    users = [f"{name}, {results['sizes'][name]['users']} users" for name in pooled if name != "mean"]
    rows = [
        (measure, label, *(_ratio(of[row], key) for of in pooled.values()))
        for key, measure in CEILING_MEASURES.items()
        for row, label in CEILING.items()
    ]
    rows += [
        ("CRPS / level's", label, *(_ratio(of[row], "crps_ratio") for of in to_level.values()))
        for row, label in CEILING.items()
        if row != "level"
    ]
    rounds = [
        (one["round"], one["domains"], *(_ratio(one["rows"][row], "mae_ratio") for row in CEILING))
        for one in results["by_round"]["mean"]
    ]
    columns = [(part, key) for part in ("rounds_from_1", "last_round") for key in ("mae_ratio", "crps_ratio")]
    refining = [
        (label, *(_ratio(results["refining"]["mean"][kind][row][part], key) for part, key in columns))
        for (kind, row), label in REFINING.items()
    ]
    heads = ("mean of the domains", "MAE, rounds from 1 on", "CRPS", "MAE, last round", "CRPS")
    missing = [f"{name}: {reason}." for name, reason in results["not_available"].items()]
    sizes = ", ".join(f"{of['fit_users']} in {name}" for name, of in results["sizes"].items())
    fitted = f"judged on {results['split']} users, fitted on {sizes}; {results['seconds'] / 60:.0f} minutes"
    return "\n\n".join(
        (
            table(("all rounds", "known", *users, "mean"), rows),
            table(("round, MAE / user median's", "domains", *CEILING.values()), rounds),
            table(heads, refining),
            *missing,
            origin(results, fitted),
        )
    )


def _ratio(found: Results, name: str) -> str:
    return interval(found[name]["value"], found[name]["ci"])
