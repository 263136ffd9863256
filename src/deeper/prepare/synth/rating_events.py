"""Made-up rating events for raw-shaped files, chunk by chunk: who rates what, how, and when.

Users have lengths of a log-normal tail, items a log-uniform popularity (Zipf's law with exponent 1); a rating is

    level(user) + drift(user) · share of the user's history + quality(item) + noise

rounded to the scale. A chunk holds whole users and depends on the seed and its number only, so that memory does not
grow with the file and the same arguments give the same file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Order = Literal["user", "item", "time"]
"""How rows stand in a file: by user and item; by item, or by user and time, mixed within them."""

CHUNK_ROWS = 200_000
FIRST_DAY = 946_684_800
"""Seconds since 1970 of 2000-01-01, before which nobody rates."""
LAST_DAY = 1_546_300_800
"""… of 2019-01-01, after which nobody begins to."""
DAY = 86_400


@dataclass(frozen=True)
class Shape:
    """How the ratings of a domain are spread.

    Attributes:
        shortest: Ratings of a user, at least.
        median: Ratings beyond that, of the median user.
        tail: Standard deviation of their logarithm.
        ratings_per_item: Mean ratings of an item.
        level: Mean rating, as a share of the scale.
        exact_repeats: Share of rows that are repeated with the same rating and time.
        revised: Share of rows that are repeated with another rating, later.
        unrated: Share of rows without a rating (Food.com 0).
        seconds: Resolution of times: 1 a second, 86,400 a day.
    """

    shortest: int
    median: float
    tail: float
    ratings_per_item: float
    level: float
    exact_repeats: float = 0.0
    revised: float = 0.0
    unrated: float = 0.0
    seconds: int = 1


@dataclass(frozen=True)
class Events:
    """Rows of a raw file; all arrays (rows,). Users and items are numbers from 0; `times` are seconds since 1970."""

    users: Ints
    items: Ints
    ratings: Floats
    times: Ints


def count_items(shape: Shape, ratings: int) -> int:
    """How many items a file of so many ratings has."""
    return max(2000, int(ratings / shape.ratings_per_item))


def chunks(shape: Shape, domain: Domain, ratings: int, seed: int) -> Iterator[Events]:
    """Events of whole users, chunk after chunk; `ratings` rows in all, the last user's cut short.

    Args:
        shape: How ratings are spread.
        domain: Gives the scale.
        ratings: Rows, 1 or more.
        seed: Seed, 0 or more.
    """
    items, first, left, number = count_items(shape, ratings), 0, ratings, 0
    mean = shape.shortest + shape.median * np.exp(shape.tail**2 / 2)
    users = max(1, int(CHUNK_ROWS / mean))
    while left > 0:
        events = _chunk(shape, domain, np.random.default_rng([seed, 0, number]), users, items, seed)
        kept = slice(0, left)
        yield Events(events.users[kept] + first, events.items[kept], events.ratings[kept], events.times[kept])
        left -= len(events.users)
        first += users
        number += 1


def _chunk(shape: Shape, domain: Domain, rng: np.random.Generator, users: int, items: int, seed: int) -> Events:
    lengths = shape.shortest + np.floor(shape.median * np.exp(shape.tail * rng.standard_normal(users)))
    lengths = np.minimum(lengths, items // 4).astype(np.int64)
    owner = np.repeat(np.arange(users), lengths)
    item = (items ** rng.random(len(owner))).astype(np.int64) - 1
    # A user rates an item once; the repeats that real files have are added below, at their rate.
    pairs = np.unique(owner * items + item)
    owner, item = pairs // items, pairs % items
    time, share = _times(rng, owner, users, shape.seconds)
    rating = _ratings(rng, owner, item, share, users, domain, shape.level, seed)
    if shape.unrated:
        rating = np.where(rng.random(len(owner)) < shape.unrated, domain.unrated[0], rating)
    return _with_repeats(Events(owner, item, rating, time), shape, rng, domain)


def arranged(events: Events, order: Order, rng: np.random.Generator) -> Events:
    """The rows of a chunk in the order of a raw format.

    Args:
        events: By user and item.
        order: The order.
        rng: Mixes what has no order.
    """
    if order == "user":
        return events
    keys = (events.times, events.users) if order == "time" else (events.items,)
    place = np.lexsort((rng.random(len(events.items)), *keys))
    return Events(events.users[place], events.items[place], events.ratings[place], events.times[place])


def _times(rng: np.random.Generator, owner: Ints, users: int, seconds: int) -> tuple[Ints, Floats]:
    """Each user begins on some day and comes back for months or years; several events share a time.

    Also the share of the user's history that lies before each event.
    """
    begin = rng.integers(FIRST_DAY, LAST_DAY, users)
    span = DAY * np.exp(rng.uniform(0, np.log(1500), users))
    # Sittings: events of a user fall on few moments, some of them exactly.
    moment = np.floor(rng.random(len(owner)) * 40) / 40
    time = begin[owner] + span[owner] * moment + rng.integers(0, 600, len(owner))
    return (time // seconds).astype(np.int64) * seconds, moment


def _ratings(
    rng: np.random.Generator, owner: Ints, item: Ints, share: Floats, users: int, domain: Domain, mean: float, seed: int
) -> Floats:
    scale = domain.scale
    width = scale.maximum - scale.minimum
    level = scale.minimum + width * np.clip(rng.normal(mean, 0.12, users), 0, 1)
    drift = width * rng.normal(0, 0.1, users)
    quality = width * np.random.default_rng([seed, 1]).normal(0, 0.1, 4096)[item % 4096]
    return scale.round(level[owner] + drift[owner] * share + quality + width * rng.normal(0, 0.13, len(owner)))


def _with_repeats(events: Events, shape: Shape, rng: np.random.Generator, domain: Domain) -> Events:
    """Rows repeated exactly, and rows repeated later with another rating, each behind its own."""
    draw = rng.random(len(events.users))
    exact = np.flatnonzero(draw < shape.exact_repeats)
    revised = np.flatnonzero((draw >= shape.exact_repeats) & (draw < shape.exact_repeats + shape.revised))
    where = np.concatenate([np.arange(len(draw)), exact, revised])
    is_revised = np.arange(len(where)) >= len(draw) + len(exact)
    rating, time = events.ratings[where], events.times[where]
    other = np.where(rating >= domain.scale.maximum, domain.scale.minimum, domain.scale.maximum)
    rating = np.where(is_revised, other, rating)
    time = np.where(is_revised, time + 30 * DAY, time)
    order = np.argsort(where, kind="stable")
    return Events(events.users[where][order], events.items[where][order], rating[order], time[order])
