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
from deeper.learning.examples.expected_ratings import FactSet, Fit, RatedItems
from deeper.learning.examples.item_standing import ItemStandings, features_of_titles, standings_of
from deeper.learning.examples.policy_personas import PolicyTexts
from deeper.learning.examples.recipe import READINGS
from deeper.learning.examples.tasks import PersonaKind
from deeper.learning.examples.user_windows import UserWindows, WindowPrefix, draw_balanced, prefixes_by_domain
from deeper.persona.describer.describe import describe, level_only
from deeper.persona.describer.updated_facts import facts_after_updates
from deeper.persona.evidence.facts import Facts
from deeper.persona.prompts.item_lines import Item, quote

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
        standings: What the prompt says beside each title; None without item knowledge.
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
    standings: tuple[str, ...] | None = None
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
    users: Sequence[UserWindows],
    texts: PolicyTexts,
    count: int,
    seed: int,
    fit: Fit,
    *,
    item_knowledge: bool = False,
) -> tuple[list[Reading], Counter[str]]:
    """Draw readings to train on.

    Args:
        users: Train users.
        texts: Personas that policies wrote of them; may be empty.
        count: Number of readings.
        seed: Seed of all choices and phrasings.
        fit: Fits the expected ratings (`deeper.learning.training.fit_expected_ratings`).
        item_knowledge: Say beside each title how the other users rate the item.

    Returns:
        The readings, and the number of readings of each kind of persona and of each domain.

    Raises:
        UserError: No window that follows another has a rating.
    """
    prefixes = {domain: [one for one in found if _rated(one, 1)] for domain, found in prefixes_by_domain(users).items()}
    prefixes = {domain: found for domain, found in prefixes.items() if found}
    if not prefixes:
        raise UserError("no train user has a rated window after another", do="give data with longer histories")
    readings = list(islice(_readings(prefixes, texts, seed, fit, item_knowledge), count))
    return readings, Counter(name for reading in readings for name in (reading.kind, reading.domain.id))


def validation_readings(
    prefixes: Sequence[WindowPrefix],
    texts: PolicyTexts,
    seed: int,
    standings: Mapping[str, ItemStandings] | None = None,
) -> list[Reading]:
    """Make a reading of the describer's persona of each prefix, and one of each persona that a policy wrote of it.

    Args:
        prefixes: Windows of validation users.
        texts: Personas that policies wrote of them; may be empty.
        seed: Seed of all phrasings.
        standings: How train users rate the items, by the domain's id; empty to say nothing of it.
    """
    readings: list[Reading] = []
    for prefix in prefixes:
        items = _rated(prefix, 1)
        if not items:
            continue
        owner = prefix.owner
        known = facts_after_updates(prefix.known, owner.domain)
        others = (standings or {}).get(owner.domain.id)
        words = others.words(items, owner.user) if others else None
        readings.append(_reading(prefix, "describer", _described(prefix, known, seed), items, words))
        key = (owner.domain.id, owner.user, prefix.k)
        readings += [_reading(prefix, "policy", text, items, words) for text in texts.get(key, ())]
    return readings


def _readings(
    prefixes: Mapping[str, Sequence[WindowPrefix]], texts: PolicyTexts, seed: int, fit: Fit, item_knowledge: bool
) -> Iterator[Reading]:
    owners = {(one.owner.domain.id, one.owner.user): one.owner for found in prefixes.values() for one in found}
    standings = standings_of(owners.values())
    known = {
        (domain, one.owner.user, one.k): facts_after_updates(one.known, one.owner.domain)
        for domain, found in prefixes.items()
        for one in found
    }
    expected = {
        (domain, knows_items): fit(
            [
                _rated_items(one, known[domain, one.owner.user, one.k], standings[domain] if knows_items else None)
                for one in found
            ],
            found[0].owner.domain.scale,
        )
        for domain, found in prefixes.items()
        for knows_items in ((True, False) if item_knowledge else (False,))
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
            and bool(_rated(prefix, 2))
        )
        persona = _persona(prefix, facts, kind, written, rng)
        items = _rated(prefix, 2 if is_later else 1)
        chosen = [items[i] for i in sorted(rng.sample(range(len(items)), min(READINGS.items, len(items))))]
        knows_items = item_knowledge and rng.random() < READINGS.known_items_share
        words = standings[domain.id].words(chosen, user) if knows_items else None
        features = _features(facts, chosen, prefix.owner, standings[domain.id] if knows_items else None)
        yield replace(
            _reading(prefix, kind, persona, chosen, words),
            expected=expected[domain.id, knows_items].predict(facts, features, FACTS_STATED.get(kind, "all")),
        )


def _features(known: Facts, items: Sequence[Item], owner: UserWindows, standings: ItemStandings | None) -> Floats:
    """What the prompt says of items; of their titles alone without standings."""
    if standings is None:
        return features_of_titles(known, items, owner.domain)
    return standings.features(known, items, owner.user)


def _rated_items(prefix: WindowPrefix, known: Facts, standings: ItemStandings | None) -> RatedItems:
    """The items of the next window, with what was known before."""
    items = _rated(prefix, 1)
    shares = soft_labels([item["rating"] for item in items], prefix.owner.domain.scale)
    return RatedItems(known, _features(known, items, prefix.owner, standings), shares)


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


def _reading(
    prefix: WindowPrefix, kind: PersonaKind, persona: str, items: Sequence[Item], standings: tuple[str, ...] | None
) -> Reading:
    domain = prefix.owner.domain
    past = np.array([item["rating"] for window in prefix.known for item in window], np.float64)
    past = past[domain.is_rated(past)]
    middle = (domain.scale.minimum + domain.scale.maximum) / 2
    median = float(np.median(past)) if len(past) else middle
    titles, ratings = (tuple(item[name] for item in items) for name in ("title", "rating"))
    return Reading(domain, prefix.owner.user, kind, persona, titles, ratings, median, standings)


def _rated(prefix: WindowPrefix, windows_ahead: int) -> tuple[Item, ...]:
    """The rated items of W_{k+windows_ahead}; of a repeated title, the last one."""
    window = prefix.owner.windows[prefix.k + windows_ahead]
    real = prefix.owner.domain.is_rated(np.array([item["rating"] for item in window]))
    items = {quote(item["title"]): item for item, is_real in zip(window, real, strict=True) if is_real}
    return tuple(items.values())
