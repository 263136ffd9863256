"""The ratings that a baseline may see at round t. This one place hides the future from all baselines."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deeper.domains import Domain

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Visible:
    """The ratings of one domain that round t may see, and the items of the next windows without their ratings.

    The visible ratings are all windows of train users and W_0..W_t of eval users, without those that mean "no rating".

    Attributes:
        domain: The domain.
        round: t.
        users: Eval users with a W_{t+1}, sorted.
        next_items: Codes of the items of W_{t+1} for each of `users`, shape (items,).
        names: Ids of all users: `users`, then the others.
        titles: The different titles of all items, also of those whose ratings cannot be seen.
        user: Who gave each rating, shape (ratings,): a position in `names`.
        item: Code of the rated item, shape (ratings,). Codes follow the item's id, not its title.
        title: Title of the rated item, shape (ratings,): a position in `titles`.
        window: k of each rating, shape (ratings,).
        rating: The ratings, shape (ratings,).
    """

    domain: Domain
    round: int
    users: tuple[str, ...]
    next_items: tuple[Integers, ...]
    names: tuple[str, ...]
    titles: tuple[str, ...]
    user: Integers
    item: Integers
    title: Integers
    window: Integers
    rating: Floats

    @cached_property
    def by_user(self) -> tuple[tuple[Floats, Integers], ...]:
        """The ratings so far of each of `users` and their windows; empty where the user has no rating."""
        order = np.argsort(self.user, kind="stable")
        bounds = np.searchsorted(self.user[order], np.arange(len(self.users) + 1))
        return tuple(
            (self.rating[order[first:last]], self.window[order[first:last]])
            for first, last in zip(bounds[:-1], bounds[1:], strict=True)
        )


def visible_at(windows: pa.Table, domain: Domain, round: int) -> Visible:
    """Select the ratings that round t may see.

    Args:
        windows: WINDOW rows of one or more domains.
        domain: The domain to select.
        round: t, from 0.
    """
    own = windows.filter(pc.field("domain") == domain.id)
    k = own["k"].to_numpy().astype(np.int64)
    is_eval = np.asarray(own["split"].to_pylist(), object) == "eval"
    names = np.asarray(own["user"].to_pylist(), object)
    lengths = pc.list_value_length(own["items"]).to_numpy().astype(np.int64)
    flat = pc.list_flatten(own["items"])
    rating = pc.struct_field(flat, "rating").to_numpy().astype(np.float64)
    item = pc.struct_field(flat, "item").combine_chunks().dictionary_encode().indices.to_numpy()
    item = item.astype(np.int64)
    titles = pc.struct_field(flat, "title").combine_chunks().dictionary_encode()
    title = titles.indices.to_numpy().astype(np.int64)
    row = np.repeat(np.arange(len(k)), lengths)

    following = np.flatnonzero(is_eval & (k == round + 1))
    following = following[np.argsort(names[following].astype(str), kind="stable")]
    users = tuple(names[following])
    codes = {name: code for code, name in enumerate(dict.fromkeys((*users, *names)))}
    starts = np.concatenate([[0], np.cumsum(lengths)])

    seen = ((~is_eval | (k <= round))[row]) & domain.is_rated(rating)
    return Visible(
        domain=domain,
        round=round,
        users=users,
        next_items=tuple(item[starts[i] : starts[i + 1]] for i in following),
        names=tuple(codes),
        titles=tuple(titles.dictionary.to_pylist()),
        user=np.array([codes[name] for name in names], np.int64)[row[seen]],
        item=item[seen],
        title=title[seen],
        window=k[row[seen]],
        rating=rating[seen],
    )
