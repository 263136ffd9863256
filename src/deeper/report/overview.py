"""The selections of a run's results that its page and its figures show, and the page's first paragraphs."""

from collections.abc import Collection
from dataclasses import dataclass
from html import escape

from deeper.errors import printable
from deeper.evaluation.json_parts import Ends
from deeper.evaluation.methods import FROZEN, HISTORY_ONLY, by_group, updaters_in
from deeper.evaluation.results_schema import ErrorEntry, MissingError, PairedEntry, Results
from deeper.measure.holm import is_shown
from deeper.report.failed import missing_word
from deeper.report.palette import label

Entry = ErrorEntry | MissingError

COMPARED_WITH = {
    "user_median": "the user median",
    FROZEN: "the first persona (frozen)",
    HISTORY_ONLY: "history without a persona",
}
MEANS = {
    "mean": "mean over domains",
    "mean_seen": "mean, seen domains",
    "mean_unseen": "mean, unseen domains",
}


@dataclass(frozen=True)
class Overview:
    """Selections of a run's results."""

    results: Results

    @property
    def entries(self) -> list[Entry]:
        """The errors, and those that are missing."""
        return [*self.results.errors, *self.results.missing]

    @property
    def domains(self) -> list[str]:
        """The domains and means with a held-out error, missing or not; means first."""
        found = list(dict.fromkeys(entry.domain for entry in self.entries if entry.role == "future"))
        return sorted(found, key=lambda name: name not in MEANS)

    @property
    def domain(self) -> str | None:
        """The mean over domains, or the only domain; None for a run without any error."""
        return next(iter(self.domains), None)

    @property
    def last(self) -> int:
        """The last round of `domain`."""
        return self.last_of(self.domain)

    @property
    def methods(self) -> list[str]:
        """The methods with an error, group by group."""
        groups = by_group(entry.method for entry in self.results.errors)
        return [name for members in groups.values() for name in members]

    def last_of(self, domain: str | None) -> int:
        """The last round with a held-out error of a domain, missing or not."""
        return max(entry.round for entry in self.entries if entry.domain == domain and entry.role == "future")

    def future(self, domain: str) -> dict[str, list[ErrorEntry]]:
        """Held-out errors of baselines and of predictions from the persona alone, by method, sorted by round."""
        return self._errors(domain, "future", with_history=False)

    def history(self, domain: str) -> dict[str, list[ErrorEntry]]:
        """Held-out errors of predictions with history, and the user median for comparison; empty without history."""
        found = self._errors(domain, "future", with_history=True)
        median = self.future(domain).get("user_median")
        return {**found, **({"user_median": median} if median else {})} if found else {}

    def rows(self, domain: str, *, with_history: bool = False, role: str = "future") -> dict[str, list[Entry]]:
        """What a table of the errors of a role shows, missing ones among them; with history only `future`."""
        found: dict[str, list[Entry]] = {}
        drawn = self.history(domain) if with_history else self._errors(domain, role, with_history=False)
        for entry in (
            *(entry for entries in drawn.values() for entry in entries),
            *self._missing(domain, with_history, role),
        ):
            found.setdefault(entry.method, []).append(entry)
        return {name: sorted(entries, key=lambda e: e.round) for name, entries in found.items()}

    def not_drawn(self, domain: str, drawn: Collection[str], *, with_history: bool = False) -> str:
        """A note under a chart that names the methods without a result; empty if all are drawn."""
        names = dict.fromkeys(entry.method for entry in self._missing(domain, with_history, "future"))
        lost = ", ".join(f"{label(name)} ({missing_word(name)})" for name in names if name not in drawn)
        return f"Not drawn: {lost}." if lost else ""

    def paired(self, domain: str, against: str) -> list[PairedEntry]:
        """Differences at a domain's last round; those of predictions with history if `against` is `history_only`."""
        last, kinds = self.last_of(domain), ("history",) if against == HISTORY_ONLY else ("persona", "none")
        found = {
            entry.method: entry
            for entry in self.results.paired
            if (entry.domain, entry.against, entry.round) == (domain, against, last) and entry.prediction in kinds
        }
        return [found[name] for name in self.methods if name in found and name != against]

    def tests(self, domain: str, *, with_history: bool = False) -> int:
        """The number of differences at a domain's last round, which their p-values allow for; 0 without p-values.

        A difference that stands twice, as A against B and as B against A, is one.
        """
        last = self.last_of(domain)
        return len(
            {
                frozenset((entry.method, entry.against))
                for entry in self.results.paired
                if (entry.domain, entry.round) == (domain, last)
                and (entry.prediction == "history") is with_history
                and entry.p_adjusted is not None
            }
        )

    def label(self, domain: str) -> str:
        """The name of a domain or mean as reports show it."""
        return MEANS.get(domain, label(domain))

    def _missing(self, domain: str, with_history: bool, role: str) -> list[MissingError]:
        prediction = "history" if with_history else "persona"
        return [
            entry
            for entry in self.results.missing
            if (entry.domain, entry.role, entry.prediction) == (domain, role, prediction)
        ]

    def _errors(self, domain: str, role: str, with_history: bool) -> dict[str, list[ErrorEntry]]:
        """Errors by method, sorted by round."""
        found: dict[str, list[ErrorEntry]] = {}
        for entry in self.results.errors:
            has_history = entry.prediction == "history"
            if entry.domain == domain and entry.role == role and has_history is with_history:
                found.setdefault(entry.method, []).append(entry)
        return {name: sorted(found[name], key=lambda e: e.round) for name in self.methods if name in found}


def is_clear(entry: PairedEntry) -> bool:
    """Whether a difference is shown: below 5 % after the correction for the number of differences.

    Results of earlier versions have no p-values; there the interval must exclude 0.
    """
    return excludes_zero(entry.ci) if entry.p_adjusted is None else is_shown(entry.p_adjusted)


def excludes_zero(ci: Ends) -> bool:
    """Whether an interval excludes 0."""
    low, high = ci
    return low is not None and high is not None and not low <= 0 <= high


def lead(view: Overview) -> str:
    """The first paragraphs: the size of the run, its main result, and its notes."""
    results, config = view.results, view.results.config
    updaters = updaters_in(config["methods"])
    size = (
        f"{_counted(sum(results.users.values()), 'user')} of {_counted(len(results.users), 'domain')}, "
        f"{_counted(config['rounds'], 'round')}, {_counted(len(updaters), 'updater')}."
    )
    result = _main_result(view, next(iter(updaters), FROZEN))
    notes = "".join(f"<p class=note>Note: {escape(printable(note))}.</p>" for note in results.notes)
    return f"<p class=dim>{escape(printable(size))}</p>{f'<p class=lead>{escape(result)}</p>' if result else ''}{notes}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _main_result(view: Overview, method: str) -> str:
    """A method against the user median at the last round; empty if one of them has no error."""
    if view.domain is None:
        return ""
    errors, last = view.future(view.domain), view.last
    found = {name: entry for name, entries in errors.items() for entry in entries if entry.round == last}
    paired = next((entry for entry in view.paired(view.domain, "user_median") if entry.method == method), None)
    if method not in found or paired is None:
        return ""
    low, high = paired.ci
    if is_clear(paired):
        verdict = "the persona predicts better" if paired.difference < 0 else "the persona predicts worse"
    elif excludes_zero(paired.ci):
        verdict = f"that may be luck, since the run makes {view.tests(view.domain)} such comparisons"
    else:
        verdict = "the data cannot tell them apart"
    interval = "" if low is None else f" (95 % interval {low:+.3f} to {high:+.3f})"
    return (
        f"After {_counted(last, 'round')} of {label(method)}, the error on ratings that no persona has seen is "
        f"{found[method].mae:.3f}. The user median's is {found['user_median'].mae:.3f}. "
        f"The difference is {paired.difference:+.3f}{interval}: {verdict}."
    )
