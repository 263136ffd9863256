"""What `deeper learn` has done, on the terminal and as one self-contained page, also while it is still at work."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deeper.errors import printable
from deeper.report import charts

Report = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #222; --line: #ddd; --quote: #bbb; --warn: #a30;
  --c0: #2563a8; --c1: #c2571a; --c2: #5b8c2a; }
@media (prefers-color-scheme: dark) { :root { --back: #17191c; --text: #ddd; --line: #3a3d42; --quote: #666;
  --warn: #ff9a70; --c0: #7db4f0; --c1: #f0a070; --c2: #a8d070; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--text); background: var(--back); }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
blockquote { margin: .4rem 0 1rem; padding-left: .8rem; border-left: 3px solid var(--quote); }
.alarm { color: var(--warn); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
"""

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
"""Title of each chart, and what its lines are called here and in metrics.json."""
TEXT = {
    "tokens": "tokens",
    "cut_off": "cut off at the length limit",
    "redundancy": "redundancy",
    "retention": "kept from the old persona",
    "distinctness": "distinctness between users",
}


def print_learning(report: Report, console: Console) -> None:
    """Print the validation errors before and after, what they differ by, and the alarms."""
    table = Table(title="Error on validation users (lower is better)", box=None, padding=(0, 1))
    for head in _head(report):
        table.add_column(Text(head))
    for row in _errors(report):
        table.add_row(*map(Text, row))
    console.print(table)
    for line in (*_notes(report), *(f"Alarm: {alarm}" for alarm in _alarms(report))):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def page(report: Report) -> str:
    """The report as one HTML page without scripts and without links to anything outside.

    Args:
        report: The content of `learn.json`, of a whole run or of its steps so far.
    """
    alarms = "".join(f"<p class=alarm>Alarm: {escape(alarm)}</p>" for alarm in _alarms(report))
    notes = "".join(f"<p>{escape(note)}</p>" for note in _notes(report))
    sections = [
        f"<h1>What was learnt</h1>{alarms}{notes}",
        f"<h2>Error on validation users</h2>{_rows(_errors(report), _head(report))}",
        f"<h2>By round</h2>{_rows(_rounds(report), _round_head(report))}",
        f"<h2>The refinements of validation users</h2>{_rows(_texts(report), ['', *_stages(report)])}",
        *(_iteration(found) for found in report["iterations"]),
        f"<h2>Steps</h2>{_rows([[step['name'], _seconds(step)] for step in report['steps']])}",
        f"<h2>Origin</h2>{_rows(_origin(report))}",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>What was learnt</title>'
        f"<style>{STYLE}{charts.STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def _stages(report: Report) -> list[str]:
    """What was judged, in words."""
    return [name if name == "before" else f"after iteration {name}" for name in report["validation"]]


def _head(report: Report) -> list[str]:
    return ["", *_stages(report)]


def _errors(report: Report) -> list[list[str]]:
    judged = list(report["validation"].values())
    if not judged:
        return []
    rows = [[method, *(_told(found["methods"][method], "mae") for found in judged)] for method in judged[0]["methods"]]
    differences = [
        _told(found["against_before"], "difference") if "against_before" in found else "" for found in judged
    ]
    return [*rows, ["refine, difference to before", *differences]] if any(differences) else rows


def _told(entry: Mapping[str, Any], name: str) -> str:
    low, high = entry["ci"]
    sign = "+" if name == "difference" else ""
    value = f"{entry[name]:{sign}.3f}"
    return value if low is None else f"{value} ({low:{sign}.3f}..{high:{sign}.3f})"


def _round_head(report: Report) -> list[str]:
    return ["", "round", *_stages(report)]


def _rounds(report: Report) -> list[list[str]]:
    judged = [
        {(entry["method"], entry["round"]): entry for entry in found["rounds"]}
        for found in report["validation"].values()
    ]
    keys = list(dict.fromkeys(key for found in judged for key in found))
    return [
        [method, str(t), *(_told(found[method, t], "mae") if (method, t) in found else "" for found in judged)]
        for method, t in keys
    ]


def _texts(report: Report) -> list[list[str]]:
    judged = list(report["validation"].values())
    rows = [[label, *(_number(found["text"].get(name)) for found in judged)] for name, label in TEXT.items()]
    rows.append(["name a title or a rating", *(_number(found["leaks"]) for found in judged)])
    rows.append(["predictions that could not be read", *(str(found["failures"]) for found in judged)])
    rows.append(["personas that could not be written", *(str(found["persona_failures"]) for found in judged)])
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _iteration(found: Report) -> str:
    number = found["iteration"]
    facts = [*_sampled(found), *_trained(found)]
    drawn = "".join(_charts(found.get("training")))
    examples = "".join(map(_example, found.get("reward", {}).get("examples", ())))
    return (
        f"<h2>Iteration {number}</h2>{_rows(facts)}"
        + (f"<div class=charts>{drawn}</div><p>Dashed: validation pairs.</p>" if drawn else "")
        + (f"<h3>Iteration {number}: samples and their rewards</h3>{examples}" if examples else "")
    )


def _sampled(found: Report) -> list[list[str]]:
    rows: list[list[str]] = []
    if counts := found.get("sampled"):
        rows.append(["sampled", _counts(counts)])
    if reward := found.get("reward"):
        low, high = reward["reliability"]["ci"]
        value = reward["reliability"]["value"]
        shown = "unknown" if value is None else f"{value:.3f}" + ("" if low is None else f" ({low:.3f}..{high:.3f})")
        rows.append(["reward", _counts(reward["counts"])])
        rows.append(["reliability of the reward", f"{shown}; {'' if reward['trustworthy'] else 'not '}to be trusted"])
    if pairs := found.get("pairs"):
        rows.append(["pairs", _counts(pairs["counts"])])
    return rows


def _trained(found: Report) -> list[list[str]]:
    training = found.get("training")
    if training is None:
        return []
    return [["training", f"{training['steps']} steps in {_seconds(training)}"]]


def _seconds(entry: Mapping[str, Any]) -> str:
    return f"{entry['seconds']:.0f} s"


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in counts.items())


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


def _example(example: Mapping[str, Any]) -> str:
    quotes = [("the old persona", example["old"])] + [
        (f"the {which} direction, r = {example[which]['r']:+.3f}", example[which]["text"])
        for which in ("best", "worst")
    ]
    told = "".join(f"<p>{escape(name)}</p><blockquote>{escape(text)}</blockquote>" for name, text in quotes)
    return f"<h4>{escape(example['domain'])}</h4>{told}"


def _alarms(report: Report) -> list[str]:
    return [f"iteration {alarm['iteration']}: {alarm['alarm']}" for alarm in report["alarms"]]


def _notes(report: Report) -> list[str]:
    done, total = len(report["steps"]), report["steps_total"]
    notes = [] if done == total else [f"{done} of {total} steps are done."]
    if report["validation"]:
        notes.append(
            "The error of a user is the mean over rounds 1, 2, … of the held-out error; then the mean over users, then "
            "over domains; 95 % intervals by users. Validation users are a fifth of the train users, which no training "
            "has seen: these errors are for choices, not results."
        )
    return [*notes, *report["notes"]]


def _rows(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    if not rows:
        return "<p>None yet.</p>"
    heads = f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>" if head else ""
    cell_of = "<td class=number>" if head else "<td>"
    body = "".join(
        f"<tr><td>{escape(row[0])}</td>{''.join(f'{cell_of}{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    return f"<table>{heads}{body}</table>"


def _origin(report: Report) -> list[list[str]]:
    named = {"commit": report["commit"] or "unknown", "seed": report["seed"], "settings": report["config"]}
    return [[name, str(value)] for name, value in named.items()]
