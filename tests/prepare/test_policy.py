"""What the project has promised of its data: the numbers and rules of the design and of docs/domains.md, said again.

They are written out here on purpose: a changed rule is a changed promise.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_files import Row, write_meta, write_ratings

from deeper.prepare.sample_users import anonymous, sample_users
from deeper.prepare.sources import SOURCES

Run = Callable[..., dict[str, Any]]

USERS = {
    "food_com": (1000, 356),
    "amazon_books": (3000, 897),
    "amazon_clothing": (300, 243),
    "google_local": (2500, 826),
    "amazon_movies": (1000, 837),
    "movielens_20m": (3000, 1000),
    "amazon_arts": (0, 86),
    "amazon_automotive": (0, 143),
    "amazon_sports": (0, 185),
    "amazon_grocery": (0, 236),
}
"""Train and eval users of each domain."""


def ratings_of(out: Path) -> dict[str, float]:
    rows = pq.read_table(out / "behaviour.parquet").to_pylist()
    assert len({row["item"] for row in rows}) == len(rows)
    return {row["item"]: row["rating"] for row in rows}


def test_train_and_eval_users_are_the_papers() -> None:
    assert {name: (source.train, source.eval) for name, source in SOURCES.items()} == USERS


@pytest.mark.parametrize("domain", USERS)
def test_of_several_ratings_the_first_stays_and_of_movielens_the_last(
    domain: str, run_prepare: Run, tmp_path: Path
) -> None:
    once = [Row("A0000000000007", f"B{i:09d}", "4", i) for i in range(20)]
    late, early = Row("A0000000000007", "B000000001", "5", 50), Row("A0000000000007", "B000000002", "2", -50)
    write_ratings(tmp_path / "raw", domain, [late, *once, early])
    write_meta(tmp_path / "raw", domain, [row.item for row in once])
    report = run_prepare(domain, tmp_path / "raw", tmp_path / "out", windows=2)
    found = ratings_of(tmp_path / "out")
    assert report["ratings"]["repeats"] == 2
    expected = {"B000000001": 5, "B000000002": 4} if domain == "movielens_20m" else {"B000000001": 4, "B000000002": 2}
    assert {item: found[item] for item in expected} == expected
    assert {rating for item, rating in found.items() if item not in expected} == {4.0}


def test_a_real_rating_stays_before_no_rating_whenever_it_was_given(run_prepare: Run, tmp_path: Path) -> None:
    once = [Row("7", str(i), "5", i) for i in range(20)]
    again = {
        "101": (("0", 1), ("4", 2)),
        "102": (("3", 1), ("0", 2)),
        "103": (("0", 1), ("2", 2), ("5", 3), ("0", 4)),
        "104": (("0", 1), ("0", 2)),
    }
    more = [Row("7", item, rating, day) for item, ratings in again.items() for rating, day in ratings]
    for name, rows in (("forward", [*once, *more]), ("backward", [*reversed(more), *once])):
        write_ratings(tmp_path / name, "food_com", rows)
        write_meta(tmp_path / name, "food_com", dict.fromkeys(row.item for row in rows))
        run_prepare("food_com", tmp_path / name, tmp_path / f"{name}-out", windows=2)
        found = ratings_of(tmp_path / f"{name}-out")
        assert {item: found[item] for item in again} == {"101": 4, "102": 3, "103": 2, "104": 0}


@pytest.mark.parametrize("domain", USERS)
def test_users_need_70_ratings_and_of_google_local_60(domain: str, run_prepare: Run, tmp_path: Path) -> None:
    needed = 60 if domain == "google_local" else 70
    lengths = {"A0000000000005": needed - 1, "A0000000000006": needed, "A0000000000008": needed + 9}
    rows = [Row(user, f"B{i:09d}", "4", i) for user, length in lengths.items() for i in range(length)]
    write_ratings(tmp_path / "raw", domain, rows)
    write_meta(tmp_path / "raw", domain, dict.fromkeys(row.item for row in rows))
    report = run_prepare(domain, tmp_path / "raw", tmp_path / "out")
    assert report["ratings"]["users_long"] == 2
    assert report["ratings"]["short"] == needed - 1
    assert report["tables"]["windows"] == 2 * needed / 10


def test_who_is_sampled_and_into_which_split_stays_so_for_ever() -> None:
    users = [(f"A{number:013d}", 70 + number) for number in range(12)]
    books = sample_users(users, 4, 3, "amazon_books", bytes(32)).to_pylist()
    assert {row["raw"][-2:]: row["split"] for row in books} == {
        "00": "train", "03": "eval", "05": "eval", "06": "train", "07": "train", "08": "eval", "09": "train",
    }  # fmt: skip
    movies = sample_users(users, 4, 3, "amazon_movies", bytes(32)).to_pylist()
    assert {row["raw"][-2:]: row["split"] for row in movies} == {
        "00": "train", "01": "eval", "05": "eval", "06": "train", "08": "train", "09": "eval", "10": "train",
    }  # fmt: skip
    assert anonymous("A0000000000007", bytes(range(32))) == "cf5317347efd3f183be77dd91c61da19"
