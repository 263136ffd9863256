"""Users with their windows, and prefixes of these windows drawn in a balanced, repeatable order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random

from deeper.domains import Domain
from deeper.persona.evidence.facts import median_rating
from deeper.persona.update_input import Window


@dataclass(frozen=True)
class UserWindows:
    """A user with all windows.

    Attributes:
        domain: The domain.
        user: The user's id.
        windows: W_0, W_1, … in time order.
    """

    domain: Domain
    user: str
    windows: Sequence[Window]


@dataclass(frozen=True)
class WindowPrefix:
    """A user's windows W_0..W_k, followed by at least W_{k+1}.

    Attributes:
        owner: The user.
        k: Number of the last known window.
    """

    owner: UserWindows
    k: int

    @property
    def known(self) -> Sequence[Window]:
        """W_0..W_k."""
        return self.owner.windows[: self.k + 1]


def prefixes_by_domain(users: Sequence[UserWindows]) -> dict[str, list[WindowPrefix]]:
    """All prefixes of all users, by the domain's id."""
    found: dict[str, list[WindowPrefix]] = {}
    for user in users:
        found.setdefault(user.domain.id, []).extend(WindowPrefix(user, k) for k in range(len(user.windows) - 1))
    return {domain: found[domain] for domain in sorted(found) if found[domain]}


def draw_balanced(prefixes: Mapping[str, Sequence[WindowPrefix]], seed: int) -> Iterator[tuple[WindowPrefix, Random]]:
    """Draw prefixes without end, each with its own random numbers; all domains come equally often.

    Every second draw takes all typical verdicts of a domain equally often. In a domain where most users give top
    ratings, a model would otherwise learn to say so of everyone instead of reading the ratings.

    Args:
        prefixes: Prefixes by domain; no domain is empty.
        seed: Decides the order.
    """
    as_found = {domain: _in_turn({domain: found}, seed) for domain, found in prefixes.items()}
    by_verdict = {domain: _in_turn(_by_verdict(found), seed + 1) for domain, found in prefixes.items()}
    for source in cycle([source[domain] for source in (as_found, by_verdict) for domain in prefixes]):
        yield next(source)


def _in_turn(groups: Mapping[str, Sequence[WindowPrefix]], seed: int) -> Iterator[tuple[WindowPrefix, Random]]:
    """Draw from the groups in turn, without end; within a group all prefixes come once before any comes again."""
    count = 0
    queues: dict[str, list[WindowPrefix]] = {name: [] for name in groups}
    while True:
        for name, found in groups.items():
            rng = Random(f"{seed} {count}")
            count += 1
            if not queues[name]:
                queues[name] = rng.sample(found, len(found))
            yield queues[name].pop(), rng


def _by_verdict(found: Sequence[WindowPrefix]) -> dict[str, list[WindowPrefix]]:
    groups: dict[str, list[WindowPrefix]] = {}
    for prefix in found:
        median = median_rating(prefix.known, prefix.owner.domain)
        groups.setdefault(f"{median:g}", []).append(prefix)
    return dict(sorted(groups.items()))


def one_prefix_each(users: Sequence[UserWindows], seed: int) -> list[WindowPrefix]:
    """Draw one prefix of each user, to validate a model on."""
    return [
        WindowPrefix(user, Random(f"{seed} {user.domain.id} {user.user}").randrange(len(user.windows) - 1))
        for user in users
    ]
