"""A run's results in at most 20 lines of 80 columns: three methods by round, and the differences the data can show.

If calls failed, a few lines more say so.
"""

from collections.abc import Collection, Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from deeper.errors import printable
from deeper.evaluation.methods import FROZEN, is_updater, updaters_in
from deeper.evaluation.results_schema import ErrorEntry, PairedEntry, Results
from deeper.report.failed import failed_lines, missing_word
from deeper.report.overview import Entry, Overview, is_clear

WIDTH = 79
MAX_ROUNDS = 5
MAX_NAMES = 3
"""Methods that one sentence lists, those with the largest differences first."""
ROWS = {"user_median": "user median", "frozen": "first persona", "refine": "refine"}
SCRIPTED = {
    "scripted": "The scripted engine stands in for a model: these numbers mean nothing.",
    "scripted:taste": "Rules stand in for a model (scripted:taste): these numbers tell updaters apart, and say nothing "
    "of any model.",
}
AGAINST = {"user_median": "the user median", "frozen": "the first persona (frozen)"}


def print_summary(results: Results, console: Console | None = None) -> None:
    """Print the summary of a run; `print_results` prints all of it.

    With several domains, errors are means over the domains.

    Args:
        results: The results of the run.
        console: Where to print. Default: standard output.
    """
    console = console or Console()
    for line in map(printable, summary_lines(results)):
        for part in [line] if line.startswith(" ") else wrap(line, WIDTH, subsequent_indent="  "):
            console.print(Text(part), soft_wrap=True)


def summary_lines(results: Results) -> list[str]:
    """The lines; those that begin with a blank belong to the table and must not be wrapped."""
    view, failed = Overview(results), failed_lines(results.as_json())
    warnings = scripted_notes([str(results.config.get(role)) for role in ("policy_engine", "predictor_engine")])
    if view.domain is None:
        return [*warnings, "No prediction could be compared with a rating.", *failed]
    domain = view.domain
    found = [*_table(view, domain), *_best(view, domain), *_differences(view, domain), *_held(view, domain)]
    return [*warnings, *found, *failed]


def scripted_notes(engines: Collection[str]) -> list[str]:
    """What to know of results if one of these engines is scripted."""
    return next(([note] for name, note in SCRIPTED.items() if name in engines), [])


def _table(view: Overview, domain: str) -> list[str]:
    errors, last = view.rows(domain), view.last
    shown = {name: label for name, label in ROWS.items() if name in errors}
    rounds = list(range(last + 1))
    if len(rounds) > MAX_ROUNDS:
        rounds = [0, *rounds[-(MAX_ROUNDS - 1) :]]
    count = _users(view, domain)
    if not shown:
        return ["The summary shows the user median, frozen and refine, and none was chosen. --full prints all methods."]
    where = "mean over domains" if domain == "mean" else domain
    lines = [f"Error on the next ratings (MAE, lower is better): {where}, {count:,} user{'s' * (count != 1)}"]
    heads = "".join(f"{t:7}" for t in rounds)
    lines.append(f" {'round':14}{heads}{'95 %':>13}{'CRPS':>8}{'rank':>7}")
    for name, label in shown.items():
        of_round = {entry.round: entry for entry in errors[name]}
        cells = "".join(f"{_cell(of_round.get(t)):>7}" for t in rounds)
        lines.append(f" {label:14}{cells}{_measures(of_round.get(last))}".rstrip())
    return [
        *lines,
        " ",
        "CRPS: error of the whole distribution. Rank: pairs in order, 0.5 is chance.",
    ]


def _measures(entry: Entry | None) -> str:
    """The interval, CRPS and rank accuracy of an error, in the columns of the table."""
    if not isinstance(entry, ErrorEntry):
        return ""
    low, high = entry.ci
    interval = "" if low is None else f"{low:.3f}-{high:.3f}"
    crps, rank = ("-" if value is None else f"{value:.3f}" for value in (entry.crps, entry.rank_accuracy))
    return f"{interval:>13}{crps:>8}{rank:>7}"


def _cell(entry: Entry | None) -> str:
    """An error in the table."""
    if isinstance(entry, ErrorEntry):
        return f"{entry.mae:.3f}"
    return missing_word(entry.method) if entry else "-"


def _best(view: Overview, domain: str) -> list[str]:
    """The updaters with the lowest error at the last round, to the digits shown; empty for a single updater."""
    errors = view.future(domain)
    last = {
        name: f"{entry.mae:.3f}" for name in updaters_in(errors) for entry in errors[name] if entry.round == view.last
    }
    if len(last) < 2:
        return []
    lowest = min(last.values(), key=float)
    best = ", ".join(name for name, error in last.items() if error == lowest)
    return [f"Lowest error of the {len(last)} updaters after round {view.last}: {best} ({lowest})."]


def _differences(view: Overview, domain: str) -> list[str]:
    """The differences at the last round that are shown, and what they allow for."""
    lines: list[str] = []
    is_compared = False
    for other, label in AGAINST.items():
        entries = [one for one in view.paired(domain, other) if one.method == FROZEN or is_updater(one.method)]
        is_compared |= bool(entries)
        clear = [entry for entry in entries if is_clear(entry)]
        for sign, word in ((-1, "Better"), (1, "Worse")):
            found = [entry for entry in clear if entry.difference * sign > 0]
            if found:
                lines.append(f"{word} than {label}: {_named(found)}.")
        if entries and not clear:
            lines.append(f"Not measurably different from {label}: {_named(entries)}.")
    if is_compared and not any(line.startswith(("Better", "Worse")) for line in lines):
        count = _users(view, domain)
        return [f"{count:,} user{'s are' if count != 1 else ' is'} too few to tell the methods apart."]
    return [*lines, *_correction(view.tests(domain))] if lines else []


def _correction(tests: int) -> list[str]:
    """What "better" and "worse" allow for; nothing for a single difference."""
    if tests < 2:
        return []
    return [f'"Better" and "worse" allow for luck among {tests} differences (Holm, 5 %).']


def _held(view: Overview, domain: str) -> list[str]:
    """What the personas of the first updater hold after the last round; nothing for results of earlier versions."""
    for method in updaters_in(view.methods)[:1]:
        for entry in view.results.substance:
            if (entry.domain, entry.method, entry.round) == (domain, method, view.last) and entry.names_kind:
                share, words = entry.names_kind.value or 0.0, entry.content_words or 0.0
                return [f"Of {method}'s personas {share:.0%} name a kind; they use {words:.0f} content words."]
    return []


def _named(entries: Sequence[PairedEntry]) -> str:
    largest = sorted(entries, key=lambda entry: -abs(entry.difference))
    names = ", ".join(f"{entry.method} ({entry.difference:+.3f})" for entry in largest[:MAX_NAMES])
    more = len(largest) - MAX_NAMES
    return f"{names} and {more} more" if more > 0 else names


def _users(view: Overview, domain: str) -> int:
    """Users with an error at the last round."""
    at_last = [entry for entries in view.future(domain).values() for entry in entries if entry.round == view.last]
    return max((entry.users for entry in at_last), default=0)
