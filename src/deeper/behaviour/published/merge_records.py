"""Merge published records into users with all their windows, and count what is odd in them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from deeper.behaviour.published.records import RawWindow, Record
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import WINDOW
from deeper.behaviour.titles import clean_title, has_title, remove_hidden, unescape
from deeper.domains import Domain
from deeper.errors import UserError

MAX_TITLE_CHARACTERS = 10_000
Key = tuple[str, str]
"""Domain id and user id."""


@dataclass(frozen=True)
class Quirks:
    """Counts of what is odd in published files: users first, then records and windows, then titles.

    `users_read` = `users_kept` + `users_dropped` + `users_unassigned`. Titles and ratings are counted over the windows
    of the returned table, each window once.

    Attributes:
        users_read: Users in any file.
        users_kept: Users in the table.
        users_dropped: Users without window 0, from which the first persona is written.
        users_unassigned: Users who are only in full_dataset.csv, so that their split is unknown.
        users_vanishing: Users with a context in some, but not all, of their split's iterations.
        users_shortened: Kept users with fewer windows than others of their domain and split.
        repeated_records: Records that repeat a user and iteration (or a user's wide row) of the same file.
        windows_dropped: Windows after a gap (W4 where W3 is missing), and those of dropped users.
        windows_mended: Windows whose glued titles were split.
        glued_titles: Titles gained by splitting at `', ''`.
        restored_titles: Titles taken from a CSV file because the contexts changed them.
        unknown_titles: Titles that are empty or "Unknown".
        entities: Titles with HTML entities.
        hidden_characters: Titles with control, zero-width or soft-hyphen characters.
        blanks: Titles with leading, trailing, doubled or unusual blanks.
        repeated_titles: Titles that occurred before in the same user's history.
        unrated: Ratings that mean "no rating".
    """

    users_read: int = 0
    users_kept: int = 0
    users_dropped: int = 0
    users_unassigned: int = 0
    users_vanishing: int = 0
    users_shortened: int = 0
    repeated_records: int = 0
    windows_dropped: int = 0
    windows_mended: int = 0
    glued_titles: int = 0
    restored_titles: int = 0
    unknown_titles: int = 0
    entities: int = 0
    hidden_characters: int = 0
    blanks: int = 0
    repeated_titles: int = 0
    unrated: int = 0


@dataclass(frozen=True)
class LocatedRecord:
    """A record, its file and row, and the split of its file."""

    record: Record
    file: Path
    where: str
    split: str


@dataclass(frozen=True)
class _FoundWindow:
    window: RawWindow
    where: str
    is_original: bool
    glued: int
    restored: int = 0


@dataclass
class _User:
    split: str
    where: str
    windows: dict[int, _FoundWindow] = field(default_factory=dict[int, _FoundWindow])
    iterations: set[int] = field(default_factory=set[int])
    files: set[tuple[Path, int | None]] = field(default_factory=set[tuple[Path, int | None]])


def merge_records(
    records: Iterable[LocatedRecord], find: Callable[[str], Domain], size: int = RECIPE.window_size
) -> tuple[pa.Table, Quirks]:
    """Merge records into a WINDOW table; a user keeps the windows W0..Wn before the first gap.

    Windows that several records share must have the same ratings and titles. One exception: the titles of a wide row
    replace those of a context, in which quotes and entities were lost.

    Args:
        records: The records, in any order.
        find: Returns the domain of a `dataset_name`.
        size: Ratings in a window.

    Returns:
        The table with clean titles, which also identify the items, and null times; and the quirks found.

    Raises:
        UserError: A user is in both splits, records disagree, a window does not have `size` titles and ratings even
            after mending, a rating is not on the domain's scale, or no user is left.
    """
    users: dict[Key, _User] = {}
    named: dict[str, Domain] = {}
    accepted: dict[str, set[float]] = {}
    counts: Counter[str] = Counter()
    for located in records:
        record = located.record
        if record.dataset_name not in named:
            named[record.dataset_name] = _find_domain(find, located)
        domain = named[record.dataset_name]
        user = users.setdefault((domain.id, record.user), _User(located.split, located.where))
        if user.split != located.split:
            raise UserError(
                f"user {record.user!r} is in both splits (also {user.where})",
                where=located.where,
                do="remove the user from one of them",
            )
        counts["repeated_records"] += (located.file, record.iteration) in user.files
        user.files.add((located.file, record.iteration))
        if record.iteration is not None:
            user.iterations.add(record.iteration)
        for k, window in record.windows.items():
            where = f"{located.where}, window {k}"
            mended = _split_glued_titles(window, size, where)
            _check_ratings(mended.ratings, domain, accepted.setdefault(domain.id, set()), where)
            glued = len(mended.titles) - len(window.titles)
            found = _FoundWindow(mended, where, record.iteration is None, glued)
            user.windows[k] = _reconcile(user.windows[k], found) if k in user.windows else found
    kept = {key: _windows_before_gap(user) for key, user in users.items()}
    counts["users_read"] = len(users)
    counts["users_dropped"] = sum(not windows for windows in kept.values())
    counts["users_kept"] = len(users) - counts["users_dropped"]
    counts["users_vanishing"] = _vanishing(users)
    counts["windows_dropped"] = sum(len(user.windows) - len(kept[key]) for key, user in users.items())
    kept = {key: windows for key, windows in kept.items() if windows}
    if not kept:
        raise UserError("no user has a window 0", do="add the file of iteration 1, or the CSV file")
    most = Counter[tuple[str, str]]()
    for key, windows in kept.items():
        group = (key[0], users[key].split)
        most[group] = max(most[group], len(windows))
    counts["users_shortened"] = sum(len(windows) < most[key[0], users[key].split] for key, windows in kept.items())
    domains = {domain.id: domain for domain in named.values()}
    order = sorted(kept, key=lambda key: (key[0], users[key].split, key[1]))
    rows = [row for key in order for row in _rows(key, users[key].split, kept[key], domains[key[0]], counts)]
    return pa.Table.from_pylist(rows, schema=WINDOW), Quirks(**counts)


def _windows_before_gap(user: _User) -> list[_FoundWindow]:
    windows: list[_FoundWindow] = []
    while len(windows) in user.windows:
        windows.append(user.windows[len(windows)])
    return windows


def _find_domain(find: Callable[[str], Domain], located: LocatedRecord) -> Domain:
    try:
        return find(located.record.dataset_name)
    except UserError as error:
        raise UserError(error.what, where=located.where, do=error.do) from error


def _split_glued_titles(window: RawWindow, size: int, where: str) -> RawWindow:
    titles = window.titles
    if len(titles) < len(window.ratings):
        # A title that begins with an apostrophe was glued to the one before: "A', ''B" is "A" and "'B".
        parts = [title.split("', ''") for title in titles]
        titles = tuple(text for first, *rest in parts for text in (first, *(f"'{part}" for part in rest)))
    if not len(titles) == len(window.ratings) == size:
        raise UserError(
            f"the window has {len(window.titles)} titles and {len(window.ratings)} ratings instead of {size}",
            where=where,
            do="correct or remove the record",
        )
    if any(len(title) > MAX_TITLE_CHARACTERS for title in titles):
        raise UserError(
            f"a title is longer than {MAX_TITLE_CHARACTERS:,} characters", where=where, do="shorten the title"
        )
    return RawWindow(titles, window.ratings)


def _check_ratings(ratings: tuple[float, ...], domain: Domain, accepted: set[float], where: str) -> None:
    for rating in set(ratings) - accepted:
        # The first comparison excludes integers that are too large for a float.
        if not (-1e6 < rating < 1e6 and domain.accepts(float(rating))):
            scale = domain.scale
            limits = f"{scale.minimum:g} to {scale.maximum:g} by {scale.step:g}"
            raise UserError(
                f"the rating {rating!r:.20} is not on the scale of {domain.id} ({limits})",
                where=where,
                do="correct the rating, or remove the record",
            )
        accepted.add(rating)


def _clean(window: RawWindow) -> list[str]:
    return [clean_title(title) for title in window.titles]


def _reconcile(one: _FoundWindow, other: _FoundWindow) -> _FoundWindow:
    """One window that two records share; they must agree."""
    if one.window.ratings != other.window.ratings:
        differs = "ratings"
    elif (
        one.is_original == other.is_original
        and one.window.titles != other.window.titles
        and _clean(one.window) != _clean(other.window)
    ):
        differs = "titles"
    else:
        best = other if other.is_original and not one.is_original else one
        restored = 0
        if one.is_original != other.is_original:
            pairs = zip(_clean(one.window), _clean(other.window), strict=True)
            restored = sum(mine != theirs for mine, theirs in pairs)
        return replace(
            best,
            glued=max(one.glued, other.glued),
            restored=max(one.restored, other.restored, restored),
        )
    raise UserError(
        f"the {differs} of this window differ from those in {one.where}",
        where=other.where,
        do="remove one of the two records",
    )


def _vanishing(users: Mapping[Key, _User]) -> int:
    iterations: dict[tuple[str, str], set[int]] = {}
    for (domain, _), user in users.items():
        iterations.setdefault((domain, user.split), set()).update(user.iterations)
    return sum(0 < len(user.iterations) < len(iterations[domain, user.split]) for (domain, _), user in users.items())


def _rows(
    key: Key, split: str, windows: list[_FoundWindow], domain: Domain, counts: Counter[str]
) -> Iterable[dict[str, object]]:
    seen: set[str] = set()
    for k, found in enumerate(windows):
        window = found.window
        counts["glued_titles"] += found.glued
        counts["windows_mended"] += found.glued > 0
        counts["restored_titles"] += found.restored
        items: list[dict[str, object]] = []
        for raw, title, rating in zip(window.titles, _clean(window), window.ratings, strict=True):
            is_known = has_title(title)
            counts["unknown_titles"] += not is_known
            counts["entities"] += unescape(raw) != raw
            counts["hidden_characters"] += remove_hidden(raw) != raw
            counts["blanks"] += " ".join(raw.split()) != raw
            counts["repeated_titles"] += is_known and title in seen
            counts["unrated"] += rating in domain.unrated
            seen.add(title)
            items.append({"item": title, "title": title, "categories": [], "rating": float(rating), "time": None})
        yield {"user": key[1], "domain": key[0], "split": split, "k": k, "items": items}
