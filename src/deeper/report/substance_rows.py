"""The rows of the table "What the personas hold", for pages and terminals."""

from collections.abc import Sequence

from deeper.evaluation.substance.entry import MeanOfUsers, SubstanceEntry

TITLE = "What the personas hold"
WHAT_IT_SHOWS = (
    "Name a kind: share of personas that name a kind of the user's own items and say whether it is liked. "
    "Content words: distinct words of all personas, without function words and set phrases. "
    "Later residuals: how far the next ratings of the named kinds lie on the stated side of the user's mean; above 0 "
    "they agree. Rank beyond level: pairs of items in the right order that neither the user's level nor the items' "
    "standing explains; .5 is chance."
)


def heads(last: int) -> list[str]:
    """The heads of the columns.

    Args:
        last: The last round.
    """
    return [
        f"name a kind, round {last}",
        f"content words, round {last}",
        "later residuals, all rounds",
        "rank beyond level, all rounds",
    ]


def rows(entries: Sequence[SubstanceEntry], domain: str, last: int, *, beside: str = " ") -> dict[str, list[str]]:
    """The cells of each method, in the order of the results.

    Args:
        entries: The entries of all domains.
        domain: The domain, or mean over domains, to show.
        last: The last round.
        beside: What stands between a value and its interval.
    """
    own = {(one.method, one.round): one for one in entries if one.domain == domain}
    found: dict[str, list[str]] = {}
    for method in dict.fromkeys(method for method, _ in own):
        in_round, in_all = own.get((method, last)), own.get((method, None))
        if in_round and in_all:
            found[method] = [
                _cell(in_round.names_kind, ".0%", beside),
                "-" if in_round.content_words is None else f"{in_round.content_words:.0f}",
                _cell(in_all.later_residuals, "+.2f", beside),
                _cell(in_all.beyond_level, ".3f", beside),
            ]
    return found


def _cell(mean: MeanOfUsers | None, form: str, beside: str) -> str:
    if mean is None or mean.value is None:
        return "-"
    low, high = mean.ci
    interval = "" if low is None or high is None else f"{beside}({low:{form}}..{high:{form}})"
    return f"{mean.value:{form}}{interval}"
