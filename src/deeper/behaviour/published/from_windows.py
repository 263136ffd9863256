"""Windows turned back into published records."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from deeper.behaviour.published.records import RawWindow, Record
from deeper.domains import Domain, find_domain
from deeper.errors import UserError

User = tuple[str, str, str]
"""Domain id, split and user id."""


def runs(windows: pa.Table) -> dict[User, dict[int, RawWindow]]:
    """The windows of each user by their number, users in the table's order (domain, split, user).

    Args:
        windows: A WINDOW table. The published layouts hold no item ids and no times: they are left out.

    Raises:
        UserError: A user's windows are not W0, W1, … without a gap, or there are none.
    """
    users: dict[User, dict[int, RawWindow]] = {}
    rows: list[dict[str, Any]] = windows.to_pylist()
    for row in sorted(rows, key=lambda row: (row["domain"], row["split"], row["user"], row["k"])):
        titles = tuple(str(item["title"]) for item in row["items"])
        # Six digits: a float32 that stands for 0.1 would be written as 0.10000000149.
        ratings = tuple(round(float(item["rating"]), 6) for item in row["items"])
        users.setdefault((row["domain"], row["split"], row["user"]), {})[row["k"]] = RawWindow(titles, ratings)
    if not users:
        raise UserError("there are no windows to write")
    for (domain, _, user), run in users.items():
        if list(run) != list(range(len(run))):
            raise UserError(f"the windows of user {user!r} in {domain} are not W0, W1, … without a gap")
    return users


def contexts(user: User, run: Mapping[int, RawWindow], other: Mapping[str, object]) -> list[Record]:
    """The contexts of a user, iteration 1 first; none if the user has fewer than three windows.

    Args:
        user: Domain id, split and user id.
        run: The user's windows W0, W1, ….
        other: What `describe` gives for the domain.
    """
    return [
        Record(user[2], k, {**other, "split": user[1]}, {near: run[near] for near in (k - 1, k, k + 1)})
        for k in range(1, len(run) - 1)
    ]


def describe(domain_id: str, domain: Domain | None = None) -> dict[str, object]:
    """What a record says of its domain, in the published order of keys.

    Args:
        domain_id: A domain's id.
        domain: The domain, if it is not a built-in one.

    Raises:
        UserError: No domain is given and there is no built-in one of that id.
    """
    noun = (domain or find_domain(domain_id)).item_noun
    return {"item_type": noun, "split": "", "dataset_name": domain_id, "source_url": ""}
