"""What a predictor learns from and is validated on: a persona, and ratings that came after it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain, Scale
from deeper.errors import UserError
from deeper.learning.describer.describe import describe, level_only
from deeper.learning.describer.facts import Facts
from deeper.learning.describer.updated_facts import facts_after_updates
from deeper.learning.examples.expected_ratings import FactSet, Fit, RatedItems
from deeper.learning.examples.item_standing import ItemStandings
from deeper.learning.examples.policy_personas import PolicyTexts
from deeper.learning.examples.recipe import READINGS
from deeper.learning.examples.tasks import PersonaKind
from deeper.learning.examples.user_windows import UserWindows, WindowPrefix, draw_balanced, prefixes_by_domain
from deeper.persona.prompts.item_lines import quote

Floats = NDArray[np.float64]

FACTS_STATED: Mapping[PersonaKind, FactSet] = {"level_only": "median", "unknown": "nothing"}
"""The facts that a kind of persona states; all facts where nothing stands here."""


@dataclass(frozen=True)
class Reading:
    """A persona, and the ratings to predict from it.

    Attributes:
        domain: The domain.
        user: The user's id.
        kind: What kind of persona it is.
        persona: Its text; empty if nothing is known.
        titles: Titles of the rated items of the target window.
        ratings: Their ratings.
        median: Median of the user's ratings up to W_k, the prediction of a baseline without language.
        expected: How users with the same facts rate such items (`expected_ratings`); shape (items, labels). None in
            readings for validation.
    """

    domain: Domain
    user: str
    kind: PersonaKind
    persona: str
    titles: tuple[str, ...]
    ratings: tuple[float, ...]
    median: float
    expected: Floats | None = field(default=None, compare=False)


def soft_labels(ratings: Sequence[float], scale: Scale) -> Floats:
    """Ratings as distributions: all on the label, or split between its two neighbours in proportion.

    Args:
        ratings: Real ratings; shape (items,).
        scale: The scale.

    Returns:
        Shape (items, labels).
    """
    last = len(scale.values) - 1
    places = np.clip((np.array(ratings, np.float64) - scale.minimum) / scale.step, 0, last).round(3)
    lower = np.floor(places).astype(np.int64)
    shares = np.zeros((len(places), last + 1))
    rows = np.arange(len(places))
    shares[rows, lower] = 1 - (places - lower)
    shares[rows, np.minimum(lower + 1, last)] += places - lower
    return shares


def training_readings(
    users: Sequence[UserWindows], texts: PolicyTexts, count: int, seed: int, fit: Fit
) -> tuple[list[Reading], Counter[str]]:
    """Draw readings to train on.

    Args:
        users: Train users.
        texts: Personas that policies wrote of them; may be empty.
        count: Number of readings.
        seed: Seed of all choices and phrasings.
        fit: Fits the expected ratings (`deeper.learning.training.fit_expected_ratings`).

    Returns:
        The readings, and the number of readings of each kind of persona and of each domain.

    Raises:
        UserError: No window that follows another has a rating.
    """
    prefixes = {
        domain: [one for one in found if _rated(one, 1)[0]] for domain, found in prefixes_by_domain(users).items()
    }
    prefixes = {domain: found for domain, found in prefixes.items() if found}
    if not prefixes:
        raise UserError("no train user has a rated window after another", do="give data with longer histories")
    readings = list(islice(_readings(prefixes, texts, seed, fit), count))
    return readings, Counter(name for reading in readings for name in (reading.kind, reading.domain.id))


def validation_readings(prefixes: Sequence[WindowPrefix], texts: PolicyTexts, seed: int) -> list[Reading]:
    """Make a reading of the describer's persona of each prefix, and one of each persona that a policy wrote of it."""
    readings: list[Reading] = []
    for prefix in prefixes:
        if not _rated(prefix, 1)[0]:
            continue
        known = facts_after_updates(prefix.known, prefix.owner.domain)
        readings.append(_reading(prefix, "describer", _described(prefix, known, seed), 1))
        key = (prefix.owner.domain.id, prefix.owner.user, prefix.k)
        readings += [_reading(prefix, "policy", text, 1) for text in texts.get(key, ())]
    return readings


def _readings(
    prefixes: Mapping[str, Sequence[WindowPrefix]], texts: PolicyTexts, seed: int, fit: Fit
) -> Iterator[Reading]:
    standings = {
        domain: ItemStandings(found[0].owner.domain, {one.owner.user: one.owner for one in found}.values())
        for domain, found in prefixes.items()
    }
    known = {
        (domain, one.owner.user, one.k): facts_after_updates(one.known, one.owner.domain)
        for domain, found in prefixes.items()
        for one in found
    }
    expected = {
        domain: fit(
            [_rated_items(one, known[domain, one.owner.user, one.k], standings[domain]) for one in found],
            found[0].owner.domain.scale,
        )
        for domain, found in prefixes.items()
    }
    for prefix, rng in draw_balanced(prefixes, seed):
        domain, user = prefix.owner.domain, prefix.owner.user
        facts = known[domain.id, user, prefix.k]
        written = texts.get((domain.id, user, prefix.k), ())
        shares = READINGS.persona_kind_shares
        kinds: list[PersonaKind] = [kind for kind in shares if kind != "policy" or written]
        [kind] = rng.choices(kinds, [shares[kind] for kind in kinds])
        # The order of these conditions decides which random numbers are drawn.
        is_later = (
            prefix.k + 2 < len(prefix.owner.windows)
            and rng.random() < READINGS.later_window_share
            and bool(_rated(prefix, 2)[0])
        )
        reading = _reading(prefix, kind, _persona(prefix, facts, kind, written, rng), 2 if is_later else 1)
        chosen = sorted(rng.sample(range(len(reading.titles)), min(READINGS.items, len(reading.titles))))
        titles = tuple(reading.titles[i] for i in chosen)
        features = standings[domain.id].features(facts, titles, user)
        yield replace(
            reading,
            titles=titles,
            ratings=tuple(reading.ratings[i] for i in chosen),
            expected=expected[domain.id].predict(facts, features, FACTS_STATED.get(kind, "all")),
        )


def _rated_items(prefix: WindowPrefix, known: Facts, standings: ItemStandings) -> RatedItems:
    """The items of the next window, with what was known before."""
    titles, ratings = _rated(prefix, 1)
    shares = soft_labels(ratings, prefix.owner.domain.scale)
    return RatedItems(known, standings.features(known, titles, prefix.owner.user), shares)


def _persona(prefix: WindowPrefix, known: Facts, kind: PersonaKind, written: Sequence[str], rng: Random) -> str:
    if kind == "policy":
        return rng.choice(written)
    if kind == "describer":
        return _described(prefix, known, rng.randrange(2**31))
    if kind == "level_only":
        return level_only(known, prefix.owner.domain, seed=rng.randrange(2**31))
    return ""


def _described(prefix: WindowPrefix, known: Facts, seed: int) -> str:
    return describe(known, prefix.known, prefix.owner.domain, seed=seed)


def _reading(prefix: WindowPrefix, kind: PersonaKind, persona: str, windows_ahead: int) -> Reading:
    titles, ratings = _rated(prefix, windows_ahead)
    domain = prefix.owner.domain
    past = np.array([item["rating"] for window in prefix.known for item in window], np.float64)
    past = past[domain.is_rated(past)]
    middle = (domain.scale.minimum + domain.scale.maximum) / 2
    median = float(np.median(past)) if len(past) else middle
    return Reading(domain, prefix.owner.user, kind, persona, titles, ratings, median)


def _rated(prefix: WindowPrefix, windows_ahead: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Titles and ratings of the rated items of W_{k+windows_ahead}; of a repeated title, the last rating."""
    window = prefix.owner.windows[prefix.k + windows_ahead]
    real = prefix.owner.domain.is_rated(np.array([item["rating"] for item in window]))
    items = {quote(item["title"]): item for item, is_real in zip(window, real, strict=True) if is_real}
    return tuple(item["title"] for item in items.values()), tuple(item["rating"] for item in items.values())
