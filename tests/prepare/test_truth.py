"""Every raw format, made up with its quirks and prepared: what comes out is what the truth says."""

from collections import Counter
from hashlib import md5
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
from prepare_cases import Prepared

from deeper.behaviour.load import load_windows
from deeper.behaviour.published.domain_folder import read_published
from deeper.behaviour.schema import BEHAVIOUR, ITEM, WINDOW
from deeper.behaviour.windows import strings
from deeper.domains import BUILTIN
from deeper.prepare.sample_users import anonymous
from deeper.prepare.synth.made_categories import ROOT
from deeper.prepare.tables import CONTEXTS

READ_AS = {"movielens_kaggle": "movielens", "amazon_2023_early": "amazon_2023"}
"""Formats that are another spelling of the one whose reader takes them."""


def test_counts_are_the_truths(prepared: Prepared) -> None:
    truth, report = prepared.truth, prepared.report
    ratings = report["ratings"]
    assert report["lines"] == truth["ratings"] + 18
    assert report["rejected"] == 18
    assert pq.read_table(prepared.out / "rejects.parquet").to_pylist() == truth["bad_lines"]
    assert ratings["rows"] == truth["ratings"]
    assert ratings["users"] == truth["users"]
    assert ratings["repeats"] == truth["repeats"]
    assert ratings["exact_repeats"] == truth["exact_repeats"]
    assert ratings["untitled"] == truth["untitled_rows"]
    assert ratings["unrated"] == truth["unrated_rows"]
    assert ratings["users_long"] == truth["long_users_titled"] > 0
    titles = report["titles"]
    assert {name: titles[name] for name in truth["meta"]} == truth["meta"]
    assert report["format"] == READ_AS.get(truth["format"], truth["format"])


def test_every_line_is_accounted_for(prepared: Prepared) -> None:
    report, ratings = prepared.report, prepared.report["ratings"]
    parts = ("repeats", "untitled", "short", "kept")
    assert report["lines"] == report["rejected"] + sum(ratings[part] for part in parts)


def test_titles_are_clean(prepared: Prepared) -> None:
    behaviour = pq.read_table(prepared.out / "behaviour.parquet", columns=["item", "title"])
    got = dict(zip(strings(behaviour, "item"), strings(behaviour, "title"), strict=True))
    truth = pq.read_table(prepared.raw / "truth" / "titles.parquet")
    expected = dict(zip(strings(truth, "item"), strings(truth, "title"), strict=True))
    assert got == {item: expected[item] for item in got}
    assert "" not in got.values()
    assert len(got) > 100


def test_categories_are_clean_and_the_root_of_the_paths_is_dropped(prepared: Prepared) -> None:
    behaviour = pq.read_table(prepared.out / "behaviour.parquet")
    got = dict(zip(strings(behaviour, "item"), behaviour["categories"].to_pylist(), strict=True))
    truth = pq.read_table(prepared.raw / "truth" / "titles.parquet")
    expected = dict(zip(strings(truth, "item"), truth["categories"].to_pylist(), strict=True))
    assert got == {item: expected[item] for item in got}
    report = prepared.report["categories"]
    assert report["items"] == sum(map(bool, got.values())) > 100
    assert report["categories"] == len({category for categories in got.values() for category in categories})
    assert report["dropped"] == ([ROOT] if prepared.truth["format"].startswith("amazon") else [])


def test_users_are_the_long_ones_under_other_names(prepared: Prepared) -> None:
    key = bytes.fromhex(prepared.out.with_name("out.key").read_text("ascii"))
    needed = prepared.report["windows"] * 10
    users = pq.read_table(prepared.raw / "truth" / "users.parquet").to_pylist()
    long = {anonymous(row["user"], key): row["titled"] for row in users if row["titled"] >= needed}
    behaviour = pq.read_table(prepared.out / "behaviour.parquet")
    counts = Counter(strings(behaviour, "user"))
    assert counts == {user: count for user, count in long.items() if user in counts}
    assert len(counts) == sum(prepared.report["sampled"].values())
    assert len(counts) <= len(long)
    raw_ids = {row["user"] for row in users}
    assert not raw_ids & set(counts)


def test_behaviour_is_in_time_order_with_blind_ties(prepared: Prepared) -> None:
    behaviour = pq.read_table(prepared.out / "behaviour.parquet")
    assert behaviour.schema.equals(BEHAVIOUR)
    rows = behaviour.to_pylist()
    key = bytes.fromhex(prepared.out.with_name("out.key").read_text("ascii"))
    users = pq.read_table(prepared.raw / "truth" / "users.parquet", columns=["user"])
    raw = {anonymous(user, key): user for user in strings(users, "user")}
    ties = 0
    for one, two in pairwise(rows):
        if one["user"] != two["user"]:
            assert one["user"] < two["user"]
            assert two["position"] == 0
            continue
        assert (one["position"] + 1, one["time"]) <= (two["position"], two["time"])
        if one["time"] == two["time"]:
            ties += 1
            hashes = [md5(f"{raw[row['user']]}\0{row['item']}".encode()).hexdigest() for row in (one, two)]
            assert hashes[0] < hashes[1]
    assert ties or prepared.truth["format"].startswith(("movielens", "google"))


def test_windows_and_contexts_are_the_behaviours(prepared: Prepared) -> None:
    windows = pq.read_table(prepared.out / "windows.parquet")
    contexts = pq.read_table(prepared.out / "contexts.parquet")
    assert windows.schema.equals(WINDOW)
    assert contexts.schema.equals(CONTEXTS)
    behaviour = pq.read_table(prepared.out / "behaviour.parquet").to_pylist()
    by_place = {(row["user"], row["position"]): row for row in behaviour}
    found = {}
    for row in windows.to_pylist():
        found[row["user"], row["k"]] = row
        for i, item in enumerate(row["items"]):
            event = by_place[row["user"], row["k"] * 10 + i]
            assert item == {name: event[name] for name in ITEM.names}
    count = prepared.report["windows"]
    assert len(found) == count * sum(prepared.report["sampled"].values())
    keys = [(row["split"], row["user"], row["k"]) for row in found.values()]
    assert keys == sorted(keys)
    rows = contexts.to_pylist()
    assert len(rows) == (count - 2) * sum(prepared.report["sampled"].values())
    for row in rows:
        for near, step in (("previous", -1), ("current", 0), ("future", 1)):
            assert row[near] == found[row["user"], row["k"] + step]["items"]


def test_a_prepared_folder_can_be_loaded_with_its_split(prepared: Prepared) -> None:
    loaded = load_windows(str(prepared.out))
    assert loaded.windows.equals(pq.read_table(prepared.out / "windows.parquet"))
    assert list(loaded.domains) == [prepared.truth["domain"]]


def test_published_files_come_back_as_they_went(prepared: Prepared) -> None:
    domain = prepared.truth["domain"]
    (folder,) = (prepared.out / "published").iterdir()
    assert folder.name in (domain, *BUILTIN[domain].aliases)
    windows = pq.read_table(prepared.out / "windows.parquet")
    expected = _as_published(windows)
    assert _as_published(read_published(folder)[0]) == expected
    assert _as_published(load_windows(str(prepared.out / "published_hub")).windows) == expected


def _as_published(windows: pa.Table) -> list[tuple[str, str, int, list[tuple[str, float]]]]:
    rows = windows.to_pylist()
    return [
        (row["user"], row["split"], row["k"], [(item["title"], item["rating"]) for item in row["items"]])
        for row in rows
    ]
