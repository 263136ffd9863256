"""What failed in a run, in a few sentences: which methods, how many calls, why, and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from deeper.evaluation.methods import BASELINES
from deeper.report.palette import label

Results = Mapping[str, Any]

MAX_METHODS = 3
"""Methods that one sentence names."""
ASKED_AGAIN = "Once the server answers, repeat the command: it asks only the failed calls again."
FAILS_AGAIN = (
    "A model on this machine would fail again in the same way: choose another model, adapter or prompts, and another "
    "--out."
)


def failed_lines(results: Results) -> list[str]:
    """The sentences; none if no call failed.

    Args:
        results: The content of results.json, or of any report with `failed_calls`.
    """
    calls = results.get("failed_calls", [])
    if not calls:
        return []
    lost = _without_result(results)
    commonest = max(calls, key=lambda entry: entry["failed"])
    total = sum(entry["failed"] for entry in calls)
    is_asked_again = any(entry["asked_again"] for entry in calls)
    return [
        *([f"INCOMPLETE: no result, or not in each round: {_some(lost)}."] if lost else []),
        f"{total:,} call{'s' * (total != 1)} failed: {_some(_counts(calls))}.",
        f"Most often: {commonest['reason'].rstrip('.')}.",
        ASKED_AGAIN if is_asked_again else FAILS_AGAIN,
    ]


def missing_word(method: str) -> str:
    """What a table shows in place of a method's error that is missing."""
    return "n/a" if method in BASELINES else "failed"


def _without_result(results: Results) -> list[str]:
    """Methods that miss an error because calls failed."""
    missing = dict.fromkeys(entry["method"] for entry in results.get("missing", []))
    return [label(name) for name in missing if name not in BASELINES]


def _counts(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """What failed of each method, the methods with most failures first."""
    of_method: dict[str, list[Mapping[str, Any]]] = {}
    for entry in calls:
        of_method.setdefault(entry["method"], []).append(entry)
    ordered = sorted(of_method, key=lambda name: -sum(entry["failed"] for entry in of_method[name]))
    return [
        f"{'first personas' if name == 'initialise' else label(name)} "
        + " and ".join(f"{entry['failed']:,} of {entry['calls']:,} {entry['what']}" for entry in of_method[name])
        for name in ordered
    ]


def _some(names: Sequence[str]) -> str:
    more = len(names) - MAX_METHODS
    return ", ".join(names[:MAX_METHODS]) + (f" and {more} more" if more > 0 else "")
