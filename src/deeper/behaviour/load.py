"""Load windows from wherever `--data` points: the bundled data, your own folder, or a published one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.bundled import MOVIELENS_SMALL, SHA256, movielens_small
from deeper.behaviour.join_items import join_items
from deeper.behaviour.own.folder import is_own, read_own
from deeper.behaviour.prepared import find_prepared, read_prepared
from deeper.behaviour.published.domain_folder import find_published, read_published
from deeper.behaviour.published.hub_contexts import is_hub, read_hub
from deeper.behaviour.published.merge_records import Quirks
from deeper.behaviour.schema import WINDOW
from deeper.behaviour.windows import strings
from deeper.domains import BUILTIN, Domain
from deeper.errors import UserError, choose_from
from deeper.storage.hub import folder_of

LAYOUTS = (
    f"{MOVIELENS_SMALL} (the bundled data)",
    "a folder with behaviour.csv or behaviour.parquet, and domain.toml if the domain is your own",
    "a folder that deeper prepare has made, or a folder of several",
    "a published domain folder (test_iterations/ or split_data/), or a folder of several",
    "a folder with user_context_train/ or user_context_test/",
)
HUB_FILES = ("*.json", "*.jsonl", "*.csv", "*.parquet", "*.toml")
"""Files to download from a data set on the hub."""


QUIRK_WORDS = {
    "users_dropped": "users left out for want of a first window",
    "users_unassigned": "users left out because nothing tells their split",
    "users_vanishing": "users missing in some iterations",
    "users_shortened": "users with fewer windows than the others",
    "repeated_records": "records that repeat a user and iteration",
    "windows_dropped": "windows left out behind a gap",
    "windows_mended": "windows mended that had glued titles",
    "restored_titles": "titles taken from the CSV file, which has the original text",
    "unknown_titles": 'titles that are empty or "Unknown"',
    "entities": "titles with HTML entities, now resolved",
    "hidden_characters": "titles with hidden characters, now removed",
    "blanks": "titles with needless blanks, now removed",
    "repeated_titles": "titles that repeat an earlier one of the same user, kept",
    "unrated": 'ratings that mean "no rating", masked',
}
"""The counts of `Quirks` that are reported, in words; the other counts follow from these."""


@dataclass(frozen=True)
class Loaded:
    """Loaded windows.

    Attributes:
        windows: A `WINDOW` table, sorted by (domain, split, user, k).
        domains: The domains that occur, by id.
        notes: What was skipped or mended, in words with counts.
        source: Where the windows come from.
    """

    windows: pa.Table
    domains: dict[str, Domain]
    notes: list[str]
    source: str


def load_windows(data: str, domains: Sequence[str] | None = None, items: Sequence[str] = ()) -> Loaded:
    """Load windows.

    Args:
        data: `movielens_small`, a folder in one of the `LAYOUTS` ("./movielens_small" for a folder of that name), or a
            data set on the hub in one of them; or several of these, separated by commas.
        domains: The domains to keep, by id or name of the published folder; all by default.
        items: Tables of items whose categories are joined to the windows (see `join_items`).

    Raises:
        UserError: The folder does not exist, its layout is unknown, a file in it is bad, a domain is missing, a user
            occurs twice, or a table names no item.
    """
    sources = [data] if Path(data).is_dir() else [part.strip() for part in data.split(",") if part.strip()]
    found = [_load(source, domains or ()) for source in sources or [data]]
    present = sorted({name for _, names in found for name in names})
    loaded = [part for part, _ in found]
    own = {name: domain for part in loaded for name, domain in part.domains.items()}
    wanted = {domain_id(name, own) for name in domains or present}
    if missing := sorted(wanted - set(present)):
        plural = "s" if len(missing) > 1 else ""
        raise UserError(
            f"the data has no domain{plural} {', '.join(missing)}", where=data, do=choose_from(present, *missing)
        )
    _check_no_user_twice(loaded)
    windows = _sorted([part.windows for part in loaded])
    windows = windows.filter(pc.is_in(windows["domain"], pa.array(sorted(wanted), pa.string()))).combine_chunks()
    windows, joined = join_items(windows, items)
    return Loaded(
        windows,
        {name: own[name] for name in sorted(own) if name in wanted},
        [*(note for part in loaded for note in part.notes), *joined],
        ", ".join(part.source for part in loaded),
    )


def _load(data: str, domains: Sequence[str]) -> tuple[Loaded, list[str]]:
    """Load one source; also return its domains, which include those that were not wanted and not read."""
    if data == MOVIELENS_SMALL:
        bundled = {MOVIELENS_SMALL: BUILTIN[MOVIELENS_SMALL]}
        return Loaded(movielens_small(), bundled, [], f"{data}, sha256 {SHA256}"), [MOVIELENS_SMALL]
    folder = folder_of(data, "data set", HUB_FILES)
    if not folder.is_dir():
        raise UserError(f"there is no such folder: {data}", do=_choices())
    if prepared := find_prepared(folder):
        loaded = _of_builtin([read_prepared(one) for one in prepared], [], data)
    elif is_own(folder):
        own = read_own(folder)
        loaded = Loaded(own.windows, own.domains, own.notes, data)
    elif is_hub(folder):
        table, quirks = read_hub(folder)
        loaded = _of_builtin([table], _notes(quirks, folder), data)
    elif found := find_published(folder):
        return _read_published(found, data, domains)
    else:
        raise UserError("the folder is in no known layout", where=data, do=_choices())
    return loaded, list(loaded.domains)


def _read_published(folders: list[Path], data: str, domains: Sequence[str]) -> tuple[Loaded, list[str]]:
    """Read the published folders; a folder whose name shows that it is not wanted is skipped."""
    wanted = {domain_id(name, {}) for name in domains}
    tables = [WINDOW.empty_table()]
    notes: list[str] = []
    owner: dict[str, Path] = {}
    for folder in folders:
        name = domain_id(folder.resolve().name, {})
        if wanted and name in BUILTIN and name not in wanted:
            owner.setdefault(name, folder)
            continue
        table, quirks = read_published(folder)
        for name in set(strings(table, "domain")):
            if name in owner:
                raise UserError(
                    f"{owner[name]} and {folder} hold the same domain, {name}",
                    where=data,
                    do="name only one of them, or remove the other",
                )
            owner[name] = folder
        tables.append(table)
        notes += _notes(quirks, folder)
    return _of_builtin(tables, notes, data), list(owner)


def _check_no_user_twice(loaded: Sequence[Loaded]) -> None:
    """Refuse a user who is in two splits or sources: the user could be in both training and evaluation."""
    place: dict[tuple[str, str], tuple[str, str]] = {}
    for part in loaded:
        columns = [strings(part.windows, name) for name in ("domain", "user", "split")]
        for domain, user, split in zip(*columns, strict=True):
            if (first := place.setdefault((domain, user), (split, part.source))) != (split, part.source):
                raise UserError(
                    f"user {user!r} of {domain} occurs twice ({first[0]} and {split})",
                    where=", ".join(dict.fromkeys((first[1], part.source))),
                    do="keep each user in one split of one folder",
                )


def _of_builtin(tables: list[pa.Table], notes: list[str], source: str) -> Loaded:
    windows = _sorted(tables)
    return Loaded(windows, {name: BUILTIN[name] for name in sorted(set(strings(windows, "domain")))}, notes, source)


def _sorted(tables: list[pa.Table]) -> pa.Table:
    windows = pa.concat_tables(tables).sort_by([(name, "ascending") for name in ("domain", "split", "user", "k")])
    return windows.cast(WINDOW).combine_chunks()


def domain_id(name: str, own: Mapping[str, Domain]) -> str:
    """Return the id of a domain by its name or alias; an unknown name is returned as it is."""
    if name in own:
        return name
    return next((domain.id for domain in BUILTIN.values() if name in (domain.id, *domain.aliases)), name)


def _notes(quirks: Quirks, folder: Path) -> list[str]:
    counts = {name: getattr(quirks, name) for name in QUIRK_WORDS}
    return [f"{folder.resolve().name}: {words}: {counts[name]}" for name, words in QUIRK_WORDS.items() if counts[name]]


def _choices() -> str:
    return f"give {'; or '.join(LAYOUTS)}"
