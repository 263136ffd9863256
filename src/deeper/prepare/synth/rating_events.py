"""Make synthetic rating events for raw files, chunk by chunk: who rates what, how, and when.

The length of a user's history has a log-normal tail. An item's popularity is log-uniform (Zipf's law, exponent 1). A
rating is

    level(user) + drift(user) · share of the user's history + quality(item) + noise

rounded to the scale. A chunk holds whole users and depends only on the seed and its number. Memory therefore does not
grow with the file, and the same arguments give the same file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RowOrder = Literal["user", "item", "time"]
"""Order of a file's rows: by user and item, by item, or by user and time; the rest is random."""

CHUNK_ROWS = 200_000
FIRST_START_SECONDS = 946_684_800
"""Unix seconds of 2000-01-01; no user rates before."""
LAST_START_SECONDS = 1_546_300_800
"""Unix seconds of 2019-01-01; every user has begun by then."""
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Shape:
    """Distribution of a domain's ratings.

    Attributes:
        shortest: Smallest number of ratings of a user.
        median: Median number of ratings beyond `shortest`.
        tail: Standard deviation of the logarithm of that number.
        ratings_per_item: Mean number of ratings of an item.
        level: Mean rating as a share of the scale, 0 to 1.
        exact_repeats: Share of rows that are repeated with the same rating and time.
        revised: Share of rows that are repeated later with another rating.
        unrated: Share of rows without a rating (Food.com 0).
        seconds: Resolution of times in seconds: 1, or 86,400 for whole days.
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
    """Rows of a raw file; all arrays (rows,). Users and items are numbered from 0; `times` are Unix seconds."""

    users: Ints
    items: Ints
    ratings: Floats
    times: Ints


def count_items(shape: Shape, ratings: int) -> int:
    """Return how many items a file of so many ratings has."""
    return max(2000, int(ratings / shape.ratings_per_item))


def chunks(shape: Shape, domain: Domain, ratings: int, seed: int) -> Iterator[Events]:
    """Yield events of whole users in chunks; the last user's are cut off after `ratings` rows.

    Args:
        shape: Distribution of the ratings.
        domain: Provides the scale.
        ratings: Rows in all, 1 or more.
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
    # Here a user rates an item once. Repeats are added below at the rate of real files.
    pairs = np.unique(owner * items + item)
    owner, item = pairs // items, pairs % items
    time, share = _times(rng, owner, users, shape.seconds)
    rating = _ratings(rng, owner, item, share, users, domain, shape.level, seed)
    if shape.unrated:
        rating = np.where(rng.random(len(owner)) < shape.unrated, domain.unrated[0], rating)
    return _with_repeats(Events(owner, item, rating, time), shape, rng, domain)


def in_row_order(events: Events, order: RowOrder, rng: np.random.Generator) -> Events:
    """Return the rows of a chunk in the order of a raw format.

    Args:
        events: Sorted by user and item.
        order: The order.
        rng: Shuffles rows that the order leaves open.
    """
    if order == "user":
        return events
    keys = (events.times, events.users) if order == "time" else (events.items,)
    place = np.lexsort((rng.random(len(events.items)), *keys))
    return Events(events.users[place], events.items[place], events.ratings[place], events.times[place])


def _times(rng: np.random.Generator, owner: Ints, users: int, seconds: int) -> tuple[Ints, Floats]:
    """The time of each event, and the share of the user's history before it.

    A user begins on a random day and comes back for months or years. Several events may share a time.
    """
    begin = rng.integers(FIRST_START_SECONDS, LAST_START_SECONDS, users)
    span = DAY_SECONDS * np.exp(rng.uniform(0, np.log(1500), users))
    # Users rate in sittings: their events fall on a few moments.
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
    """Add rows that repeat an earlier row, exactly or later with another rating, each after its original."""
    draw = rng.random(len(events.users))
    exact = np.flatnonzero(draw < shape.exact_repeats)
    revised = np.flatnonzero((draw >= shape.exact_repeats) & (draw < shape.exact_repeats + shape.revised))
    where = np.concatenate([np.arange(len(draw)), exact, revised])
    is_revised = np.arange(len(where)) >= len(draw) + len(exact)
    rating, time = events.ratings[where], events.times[where]
    other = np.where(rating >= domain.scale.maximum, domain.scale.minimum, domain.scale.maximum)
    rating = np.where(is_revised, other, rating)
    time = np.where(is_revised, time + 30 * DAY_SECONDS, time)
    order = np.argsort(where, kind="stable")
    return Events(events.users[where][order], events.items[where][order], rating[order], time[order])
