"""What a run's page says first, and the selections of its results that the page and the figures draw."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from deeper.errors import printable
from deeper.evaluation.schema import HISTORY_ONLY, METHODS, ROLES, UPDATERS
from deeper.report.palette import GROUPS, named

Entry = Mapping[str, Any]
OTHERS = {
    "user_median": "the user median",
    "frozen": "the frozen persona",
    HISTORY_ONLY: "the same without a persona",
}
MEANS = {
    "mean": "mean over domains",
    "mean_seen": "mean, seen domains",
    "mean_unseen": "mean, unseen domains",
}


@dataclass(frozen=True)
class Overview:
    """Selections of `results.json`."""

    results: Mapping[str, Any]

    @property
    def domains(self) -> list[str]:
        """Domains and means with a held-out error, means first."""
        found = list(dict.fromkeys(e["domain"] for e in self.results["errors"] if e["role"] == "future"))
        return sorted(found, key=lambda name: name not in MEANS)

    @property
    def domain(self) -> str | None:
        """What stands for the whole run: the mean over domains, or the only domain; None without any error."""
        return next(iter(self.domains), None)

    @property
    def last(self) -> int:
        """The last round of `domain`."""
        return self.last_of(self.domain)

    @property
    def methods(self) -> list[str]:
        """Methods with a held-out error, as they are grouped."""
        found = {e["method"] for e in self.results["errors"]}
        return [name for members in GROUPS.values() for name in members if name in found]

    def last_of(self, domain: str | None) -> int:
        """The last round with a held-out error of a domain."""
        return max(e["round"] for e in self.results["errors"] if e["domain"] == domain and e["role"] == "future")

    def future(self, domain: str) -> dict[str, list[Entry]]:
        """Held-out errors of predictions from the persona alone, and of baselines, by method and in rounds' order."""
        return self._held_out(domain, with_history=False)

    def history(self, domain: str) -> dict[str, list[Entry]]:
        """Held-out errors of predictions combined with the user's own ratings, the user median beside them."""
        found = self._held_out(domain, with_history=True)
        median = self.future(domain).get("user_median")
        return {**found, **({"user_median": median} if median else {})} if found else {}

    def paired(self, domain: str, against: str) -> list[Entry]:
        """Differences at a domain's last round; with `history_only`, those of predictions with history."""
        last, kinds = self.last_of(domain), ("history",) if against == HISTORY_ONLY else ("persona", "none")
        found = {
            e["method"]: e
            for e in self.results["paired"]
            if (e["domain"], e["against"], e["round"]) == (domain, against, last) and e["prediction"] in kinds
        }
        return [found[name] for name in self.methods if name in found and name != against]

    def in_sample(self) -> list[tuple[str, list[Entry | None]]]:
        """Errors of the last round on windows already seen: (method, [current, previous])."""
        if self.domain is None:
            return []
        found = {
            (e["method"], e["role"]): e
            for e in self.results["errors"]
            if e["domain"] == self.domain and e["round"] == self.last and e["role"] != "future"
        }
        pairs = [(name, [found.get((name, role)) for role in ROLES[1:]]) for name in self.methods]
        return [(name, pair) for name, pair in pairs if any(pair)]

    def named(self, domain: str) -> str:
        """A domain's name as people read it."""
        return MEANS.get(domain, named(domain))

    def _held_out(self, domain: str, with_history: bool) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.results["errors"]:
            is_history = entry["prediction"] == "history"
            if entry["domain"] == domain and entry["role"] == "future" and is_history is with_history:
                found.setdefault(entry["method"], []).append(entry)
        order = [*self.methods, *METHODS]
        return {name: sorted(found[name], key=lambda e: e["round"]) for name in sorted(found, key=order.index)}


def lead(view: Overview) -> str:
    """The first paragraphs: what was done, and whether the personas predict better than the user median."""
    results, config = view.results, view.results["config"]
    users = sum(results["users"].values())
    updaters = [name for name in UPDATERS if name in config["methods"]]
    done = (
        f"{users:,} {'user' if users == 1 else 'users'} of {len(results['users'])} "
        f"{'domain' if len(results['users']) == 1 else 'domains'}, {config['rounds']} rounds, "
        f"{len(updaters)} {'way' if len(updaters) == 1 else 'ways'} of updating a persona."
    )
    said = _verdict(view, next(iter(updaters), "frozen"))
    notes = "".join(f"<p class=note>Note: {escape(printable(note))}.</p>" for note in results["notes"])
    return f"<p class=dim>{escape(printable(done))}</p>{f'<p class=lead>{escape(said)}</p>' if said else ''}{notes}"


def _verdict(view: Overview, method: str) -> str:
    if view.domain is None:
        return ""
    errors, last = view.future(view.domain), view.last
    found = {name: entry for name, entries in errors.items() for entry in entries if entry["round"] == last}
    [*against] = [e for e in view.paired(view.domain, "user_median") if e["method"] == method]
    if method not in found or not against:
        return ""
    low, high = against[0]["ci"]
    if low is None or low <= 0 <= high:
        verdict = "no difference can be shown"
    else:
        verdict = "the persona predicts better" if high < 0 else "the persona predicts worse"
    interval = "" if low is None else f", 95 % interval {low:+.3f} to {high:+.3f}"
    return (
        f"After {last} rounds of {named(method)} the error on ratings that no persona has seen is "
        f"{found[method]['mae']:.3f}; the user median's is {found['user_median']['mae']:.3f}. Difference "
        f"{against[0]['difference']:+.3f}{interval}: {verdict}."
    )
