"""Tables of the small model's final evaluation and its ablations."""

from collections.abc import Sequence
from typing import Any

from deeper.evaluation.methods import UPDATERS
from docs_cells import Results, commit, interval, origin, per_cent, table

PAPER = {"over four rounds": 32.2, "seen domains": 29.4, "unseen domains, at most": 36.4}
"""Reductions in per cent, as the paper reports them (Chen et al., ACL 2025)."""

REDUCTIONS = ("across_windows", "same_window")
DOMAINS = ("mean", "mean_seen", "mean_unseen")
REDUCED = tuple(f"{kind}, {of}" for kind in ("across windows", "same window") for of in ("all", "seen", "unseen"))
"""Column heads: each of `REDUCTIONS` for each of `DOMAINS`."""
TEXT = ("tokens", "redundancy", "retention", "distinctness")


def small(results: Results) -> str:
    """Errors of the trained small model on unseen users, by round, with those of other methods."""
    rounds = sorted({one["round"] for one in _means(results, "persona")})
    users = sum(results["users"].values())
    others = {one["users"] for one in _means(results["untuned"], "persona") if one["method"] == "refine"}
    differs = [f"{max(others)} users"] if others != {users} else []
    if results["untuned"]["commit"] != results["commit"]:
        differs.append(commit(results["untuned"]))
    apart = f" ({', '.join(differs)})" if differs else ""
    shown = [
        ("the user median", "user_median", results, "none"),
        ("**`refine`**", "refine", results, "persona"),
        ("`refine`, with the user's own ratings", "refine", results, "history"),
        ("the same ratings without a persona", "history_only", results, "history"),
        ("first persona (`frozen`)", "frozen", results, "persona"),
        *((f"`{name}`", name, results, "persona") for name in UPDATERS if name != "refine"),
        ("no persona", "no_persona", results, "persona"),
        (f"`refine`, untuned model{apart}", "refine", results["untuned"], "persona"),
    ]
    rows = [(label, *cells) for label, name, run, kind in shown if any(cells := _by_round(run, name, kind, rounds))]
    note = f"{users} eval users of {len(results['users'])} domains, mean of the domains, 95 % intervals"
    return "\n\n".join((table(("error (MAE)", *(f"round {t}" for t in rounds)), rows), origin(results, note)))


def small_headline(results: Results) -> str:
    """The user median, the first persona (frozen) and `refine`, in the first and the last round."""
    last = max(one["round"] for one in _means(results, "persona"))
    shown = [
        ("the user's own median", "user_median", "none"),
        ("first persona (`frozen`)", "frozen", "persona"),
        ("**`refine`**", "refine", "persona"),
    ]
    rows = [(label, *_by_round(results, name, kind, (0, last))) for label, name, kind in shown]
    users = f"{sum(results['users'].values())} users that no training has seen, of {len(results['users'])} domains"
    note = f"{users}; mean of the domains, 95 % intervals"
    return "\n\n".join((table(("error (MAE)", "round 0", f"round {last}"), rows), origin(results, note)))


def small_details(results: Results) -> str:
    """Targets of the small model, reductions, errors by domain, and twenty personas."""
    targets = [
        (
            one["name"],
            _value(one.get("value")),
            _limits(one.get("ci")),
            one["target"],
            "holds" if one["holds"] else "**missed**" if "value" in one else "not measured",
        )
        for one in results["targets"]
    ]
    reductions = [(method, *_reduced(results, method)) for method in results["reduction"]["across_windows"]]
    reductions.append(("`refine`, untuned model", *_reduced(results["untuned"], "refine")))
    texts = [
        (f"`{name}`", *(f"{found[figure]:.3g}" if found.get(figure) is not None else "" for figure in TEXT))
        for name, found in results["text"].items()
    ]
    gained = results["user_median_gain"]
    names = ("refine", "frozen", "user_median")
    converged = [
        (one["domain"], *(" ".join(f"{error:.3f}" for error in one[name]) for name in names),
         "none" if one["rounds_to_most"] is None else one["rounds_to_most"])
        for one in results["convergence"]
    ]  # fmt: skip
    drawn = [f"- *{one['domain']}, round {one['round']}:* {one['text']}" for one in results["personas"]]
    paper = ", ".join(f"{label} {value}" for label, value in PAPER.items())
    parts = [
        table(("", "value", "95 % interval", "wanted", ""), targets),
        f"Reduction of the error in per cent (the paper's: {paper}):",
        table(("", *REDUCED), reductions),
        "In the last round, the median of all ratings so far has a lower error than the median of the first window, by "
        f"this share: {interval(gained['value'], gained['ci'])}.",
        "Error by round, from 0 on. Last column: first round with nine tenths of the last one's gain over `frozen`:",
        table(("", "`refine`", "`frozen`", "`user_median`", "round"), converged),
        "The texts: mean length in tokens, repetition within a persona, words kept from the previous persona, and "
        "distance between the personas of different users ([method](method.md#texts)):",
        table(("", *TEXT), texts),
        f"{len(drawn)} random personas of eval users, without those that name a title or a rating:",
        "\n".join(drawn),
    ]
    return "\n\n".join((*parts, origin(results)))


def ablation(results: Results) -> str:
    """Training runs with a part missing or changed, each compared with the first."""
    rows = [
        (one["name"], interval(one["ratio"]["value"], one["ratio"]["ci"]),
         interval(one["difference"]["value"], one["difference"]["ci"], "+.3f"), one["users"])
        for one in results["runs"]
    ]  # fmt: skip
    heads = ("validation users", "`refine` / user median, all rounds", "difference to the first line", "users")
    return "\n\n".join((table(heads, rows), origin(results)))


def untuned(results: Results) -> str:
    """Errors of the demo without adapters, by round."""
    kinds = {one["method"]: one["prediction"] for one in results["errors"]}
    rounds = sorted({one["round"] for one in results["errors"]})
    rows = [(f"`{method}`", *_by_round(results, method, kind, rounds)) for method, kind in kinds.items()]
    return "\n\n".join((table(("untuned, error (MAE)", *(f"round {t}" for t in rounds)), rows), origin(results)))


def _means(results: Results, kind: str) -> list[Results]:
    """Errors on held-out windows: means of all domains, or those of the only domain."""
    held_out = [one for one in results["errors"] if (one["role"], one["prediction"]) == ("future", kind)]
    domains = {one["domain"] for one in held_out}
    return [one for one in held_out if one["domain"] == "mean" or len(domains) == 1]


def _by_round(results: Results, method: str, kind: str, rounds: Sequence[int]) -> list[str]:
    found = {one["round"]: one for one in _means(results, kind) if one["method"] == method}
    return [interval(found[t]["mae"], found[t]["ci"]) if t in found else "" for t in rounds]


def _reduced(run: Results, method: str) -> list[str]:
    found = [run["reduction"][kind].get(method, {}) for kind in REDUCTIONS]
    return [per_cent(shares.get(whose)) for shares in found for whose in DOMAINS]


def _value(value: float | Sequence[float] | None) -> str:
    if isinstance(value, Sequence):
        return ", ".join(f"{one:.3g}" for one in value)
    return "" if value is None else f"{value:.4g}"


def _limits(limits: Sequence[Any] | None) -> str:
    """An interval, or several."""
    if limits and isinstance(limits[0], Sequence):
        return ", ".join(map(_limits, limits))
    return "..".join(f"{limit:.3f}" for limit in limits) if limits else ""
