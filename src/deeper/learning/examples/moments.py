"""Users with their windows, as trainings take them, and examples drawn from them in a balanced, repeatable order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random

from deeper.domains import Domain
from deeper.learning.describer.facts import verdict
from deeper.persona.updaters import Window


@dataclass(frozen=True)
class Person:
    """A user.

    Attributes:
        domain: The domain.
        user: The user's id.
        windows: W_0, W_1, …
    """

    domain: Domain
    user: str
    windows: Sequence[Window]


@dataclass(frozen=True)
class Moment:
    """A person when W_0..W_k are known; there is a W_{k+1}."""

    person: Person
    k: int


def moments(people: Sequence[Person]) -> dict[str, list[Moment]]:
    """All moments of all people, by domain."""
    found: dict[str, list[Moment]] = {}
    for person in people:
        found.setdefault(person.domain.id, []).extend(Moment(person, k) for k in range(len(person.windows) - 1))
    return {domain: found[domain] for domain in sorted(found) if found[domain]}


def draw(by_domain: Mapping[str, Sequence[Moment]], seed: int) -> Iterator[tuple[Moment, Random]]:
    """Moments for ever, with random numbers of their own: domain after domain, so that all weigh the same.

    Every other time all typical verdicts of a domain come equally often. Where most users have the top verdict, a model
    would otherwise learn to say it of everyone, and not to read.

    Args:
        by_domain: Moments by domain, none empty.
        seed: The same gives the same.
    """
    usual = {domain: _in_turn({domain: found}, seed) for domain, found in by_domain.items()}
    rare = {domain: _in_turn(_by_verdict(found), seed + 1) for domain, found in by_domain.items()}
    for source in cycle([source[domain] for source in (usual, rare) for domain in by_domain]):
        yield next(source)


def _in_turn(groups: Mapping[str, Sequence[Moment]], seed: int) -> Iterator[tuple[Moment, Random]]:
    """Moments for ever, group after group; within a group each comes once before any comes again."""
    count = 0
    queues: dict[str, list[Moment]] = {name: [] for name in groups}
    while True:
        for name, found in groups.items():
            rng = Random(f"{seed} {count}")
            count += 1
            if not queues[name]:
                queues[name] = rng.sample(found, len(found))
            yield queues[name].pop(), rng


def _by_verdict(found: Sequence[Moment]) -> dict[str, list[Moment]]:
    groups: dict[str, list[Moment]] = {}
    for moment in found:
        median = verdict(moment.person.windows[: moment.k + 1], moment.person.domain)
        groups.setdefault(f"{median:g}", []).append(moment)
    return dict(sorted(groups.items()))


def one_moment_each(people: Sequence[Person], seed: int) -> list[Moment]:
    """One moment of each person, at random: what a model is judged on."""
    return [
        Moment(person, Random(f"{seed} {person.domain.id} {person.user}").randrange(len(person.windows) - 1))
        for person in people
    ]
