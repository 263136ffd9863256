"""The report of `deeper learn`, on the terminal and as one self-contained page; it works while learning goes on."""

from collections.abc import Mapping
from html import escape
from typing import Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deeper.errors import printable
from deeper.report.failed import failed_lines
from deeper.report.pages import charts, html

Report = Mapping[str, Any]

CHARTS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("Loss", {"whole": "loss", "preference": "preference", "SFT": "sft"}),
    ("Rewards", {"chosen": "reward_chosen", "rejected": "reward_rejected"}),
    ("Log-probabilities", {"chosen": "logp_chosen", "rejected": "logp_rejected"}),
    ("Margin", {"margin": "margin"}),
    ("Accuracy", {"accuracy": "accuracy"}),
    ("KL to the reference", {"KL": "kl"}),
    ("Gradient norm", {"norm": "grad_norm"}),
    ("Tokens per second", {"tokens": "tokens_per_second"}),
)
"""The title of each chart, and its lines by label: their names in metrics.json."""
TEXT = {
    "tokens": "tokens",
    "cut_off": "cut off at the length limit",
    "redundancy": "redundancy",
    "retention": "kept from the old persona",
    "distinctness": "distinctness between users",
}


def print_learning(report: Report, console: Console) -> None:
    """Print the validation errors before and after learning, their difference, and the alarms."""
    table = Table(title="Error on validation users (lower is better)", box=None, padding=(0, 1))
    for head in _head(report):
        table.add_column(Text(head))
    for row in _errors(report):
        table.add_row(*map(Text, row))
    console.print(table)
    alarms = (f"Alarm: {alarm}" for alarm in _alarms(report))
    for line in (*_notes(report), *alarms, *failed_lines(report)):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def page(report: Report) -> str:
    """The report as one HTML page, which fetches nothing.

    Args:
        report: The content of `learn.json`, of a finished run or of the steps so far.
    """
    alarms = "".join(f"<p class=alarm>Alarm: {escape(alarm)}</p>" for alarm in _alarms(report))
    notes = "".join(f"<p>{escape(note)}</p>" for note in _notes(report))
    sections = [
        f"<h1>Learning report</h1>{html.failed(failed_lines(report))}{alarms}{notes}",
        f"<h2>Error on validation users</h2>{html.table(_errors(report), _head(report), 'Error on validation users')}",
        f"<h2>By round</h2>{html.table(_rounds(report), _round_head(report), 'Error by round')}",
        f"<h2>Refined personas of validation users</h2>{html.table(_texts(report), ['', *_stages(report)], 'Texts')}",
        *(_iteration(found) for found in report["iterations"]),
        f"<h2>Steps</h2>{html.table([[step['name'], _seconds(step)] for step in report['steps']], label='Steps')}",
        f"<h2>Origin</h2>{html.table(_origin(report), label='Origin')}",
    ]
    return html.document("Learning report", sections)


def _stages(report: Report) -> list[str]:
    """The heads of the validated policies."""
    return [name if name == "before" else f"after iteration {name}" for name in report["validation"]]


def _head(report: Report) -> list[str]:
    return ["", *_stages(report)]


def _errors(report: Report) -> list[list[str]]:
    validations = list(report["validation"].values())
    if not validations:
        return []
    rows = [
        [method, *(_with_interval(found["methods"][method], "mae") for found in validations)]
        for method in validations[0]["methods"]
    ]
    differences = [
        _with_interval(found["against_before"], "difference") if "against_before" in found else ""
        for found in validations
    ]
    return [*rows, ["refine, difference to before", *differences]] if any(differences) else rows


def _with_interval(entry: Mapping[str, Any] | None, name: str) -> str:
    if entry is None:
        return "failed"
    low, high = entry["ci"]
    sign = "+" if name == "difference" else ""
    value = f"{entry[name]:{sign}.3f}"
    return value if low is None else f"{value} ({low:{sign}.3f}..{high:{sign}.3f})"


def _round_head(report: Report) -> list[str]:
    return ["", "round", *_stages(report)]


def _rounds(report: Report) -> list[list[str]]:
    by_key = [
        {(entry["method"], entry["round"]): entry for entry in found["rounds"]}
        for found in report["validation"].values()
    ]
    keys = list(dict.fromkeys(key for found in by_key for key in found))
    return [
        [method, str(t), *(_with_interval(found[method, t], "mae") if (method, t) in found else "" for found in by_key)]
        for method, t in keys
    ]


def _texts(report: Report) -> list[list[str]]:
    validations = list(report["validation"].values())
    rows = [[label, *(_number(found["text"].get(name)) for found in validations)] for name, label in TEXT.items()]
    rows.append(["share with a title or a rating", *(_number(found["leaks"]) for found in validations)])
    rows.append(["unreadable predictions", *(str(found["failures"]) for found in validations)])
    rows.append(["failed personas", *(str(found["persona_failures"]) for found in validations)])
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _iteration(found: Report) -> str:
    number = found["iteration"]
    facts = [*_sampled(found), *_trained(found)]
    drawn = "".join(_charts(found.get("training")))
    examples = "".join(html.rewarded(example, 4) for example in found.get("reward", {}).get("examples", ()))
    return (
        f"<h2>Iteration {number}</h2>{html.table(facts, label=f'Iteration {number}')}"
        + (f"<div class=charts>{drawn}</div><p class=note>Dashed: validation pairs.</p>" if drawn else "")
        + (f"<h3>Iteration {number}: samples and their rewards</h3>{examples}" if examples else "")
    )


def _sampled(found: Report) -> list[list[str]]:
    rows: list[list[str]] = []
    if counts := found.get("sampled"):
        rows += _with_methods("sampled", counts)
    if reward := found.get("reward"):
        low, high = reward["reliability"]["ci"]
        value = reward["reliability"]["value"]
        shown = "unknown" if value is None else f"{value:.3f}" + ("" if low is None else f" ({low:.3f}..{high:.3f})")
        rows.append(["reward", _counts(reward["counts"])])
        rows.append(
            ["reliability of the reward", f"{shown}; {'can' if reward['trustworthy'] else 'cannot'} be trusted"]
        )
    if pairs := found.get("pairs"):
        rows += _with_methods("pairs", {**pairs["counts"], "methods": pairs.get("methods", {})})
    return rows


def _with_methods(name: str, counts: Mapping[str, Any]) -> list[list[str]]:
    """A row of counts, and one for each updater if there are several."""
    methods: Mapping[str, Any] = counts.get("methods", {})
    rest = {key: value for key, value in counts.items() if key != "methods"}
    several = methods if len(methods) > 1 else {}
    return [[name, _counts(rest)], *([f"{name}: {method}", _counts(own)] for method, own in several.items())]


def _trained(found: Report) -> list[list[str]]:
    training = found.get("training")
    if training is None:
        return []
    rows = [["training", f"{training['steps']} steps in {_seconds(training)}"]]
    methods: Mapping[str, Any] = training.get("methods", {})
    return rows + [[f"training: {name}", _counts(own)] for name, own in methods.items() if len(methods) > 1]


def _seconds(entry: Mapping[str, Any]) -> str:
    return f"{entry['seconds']:.0f} s"


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_count(value)}" for name, value in counts.items())


def _count(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({_counts(cast(Mapping[str, Any], value))})"
    return _number(value) if isinstance(value, float) else str(value)


def _charts(training: Report | None) -> list[str]:
    if training is None:
        return []
    drawn: list[str] = []
    for title, lines in CHARTS:
        kinds = [
            {label: [(entry["step"], entry[name]) for entry in training[kind] if entry.get(name) is not None]
             for label, name in lines.items()}
            for kind in ("loss", "validation")
        ]  # fmt: skip
        drawn.append(charts.line_chart(title, *kinds))
    return drawn


def _alarms(report: Report) -> list[str]:
    return [f"iteration {alarm['iteration']}: {alarm['alarm']}" for alarm in report["alarms"]]


def _notes(report: Report) -> list[str]:
    done, total = len(report["steps"]), report["steps_total"]
    notes = [] if done == total else [f"{done} of {total} steps are done."]
    if report["validation"]:
        notes.append(
            "A user's error is the mean held-out error over rounds 1, 2, … It is averaged over users, then over "
            "domains, with 95 % intervals over users. Validation users are a fifth of the train users, and no training "
            "has seen them. Use these errors to choose, not as results."
        )
    return [*notes, *report["notes"]]


def _origin(report: Report) -> list[list[str]]:
    origin = {"commit": report["commit"] or "unknown", "seed": report["seed"], "settings": report["config"]}
    return [[name, str(value)] for name, value in origin.items()]
