from collections import Counter
from hashlib import sha256
from importlib.resources import files

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from deeper.behaviour import bundled
from deeper.behaviour.bundled import SHA256, bundled_behaviour, movielens_small
from deeper.behaviour.categories import without_near_universal
from deeper.behaviour.schema import BEHAVIOUR, WINDOW
from deeper.behaviour.titles import clean_title, has_title
from deeper.domains import BUILTIN
from deeper.errors import UserError

DATA = files("deeper.behaviour").joinpath("data")
LEFT_OUT = {"120", "328", "536", "667"}


@pytest.fixture(scope="module")
def behaviour() -> pa.Table:
    return bundled_behaviour()


@pytest.fixture(scope="module")
def windows() -> pa.Table:
    return movielens_small()


def test_the_file_is_the_pinned_one() -> None:
    assert sha256(DATA.joinpath("movielens_small.parquet").read_bytes()).hexdigest() == SHA256


def test_the_licence_stands_beside_the_data() -> None:
    text = DATA.joinpath("MOVIELENS-LICENSE.txt").read_text("utf-8")
    assert "including transformations, so long as it is distributed under these same license conditions" in text
    assert "commercial or revenue-bearing purposes" in text
    assert "10.1145/2827872" in text
    assert "October 2016" in text and "September 2018" in text


def test_counts(behaviour: pa.Table) -> None:
    assert behaviour.schema.equals(BEHAVIOUR)
    assert behaviour.num_rows == 87_026
    counts = Counter(behaviour["user"].to_pylist())
    assert len(counts) == 338
    assert min(counts.values()) >= 70
    assert not counts.keys() & LEFT_OUT


def test_every_rating_is_on_the_scale(behaviour: pa.Table) -> None:
    scale = BUILTIN["movielens_small"].scale
    assert set(pc.unique(behaviour["rating"]).to_pylist()) == set(scale.values.tolist())


def test_titles_are_clean_and_carry_the_year(behaviour: pa.Table) -> None:
    titles = pc.unique(behaviour["title"]).to_pylist()
    assert all(clean_title(title) == title and has_title(title) for title in titles)
    without_year = {title for title in titles if not title[-5:-1].isdigit()}
    assert without_year == {
        "Big Bang Theory",
        "Fawlty Towers",
        "Hyena Road",
        "Stranger Things",
        "The Lovers and the Despot",
    }
    assert "Heat (1995)" in titles


def test_an_item_has_one_title(behaviour: pa.Table) -> None:
    pairs = behaviour.select(["item", "title"]).group_by(["item", "title"]).aggregate([])
    assert len(pairs) == len(pc.unique(behaviour["item"]))


def test_an_item_has_the_genres_of_movielens(behaviour: pa.Table) -> None:
    genres = {row["item"]: row["categories"] for row in behaviour.select(["item", "categories"]).to_pylist()}
    assert Counter(map(len, genres.values()))[0] == 17, "films of which MovieLens lists none"
    counts = Counter(genre for found in genres.values() for genre in found)
    assert len(counts) == 19
    assert (counts["Drama"], counts["Comedy"], counts["Film-Noir"]) == (4273, 3250, 120)
    heat = next(row for row in behaviour.to_pylist() if row["title"] == "Heat (1995)")
    assert heat["categories"] == ["Action", "Crime", "Thriller"]
    assert without_near_universal(behaviour) == (behaviour, [])


def test_users_ratings_and_their_order_never_change(behaviour: pa.Table) -> None:
    names = ("user", "item", "title", "rating", "time", "position")
    digest = sha256(repr([tuple(row[name] for name in names) for row in behaviour.to_pylist()]).encode()).hexdigest()
    assert digest == "6ec51f493e637922d1cc31e89ea3cb0f17c977a876af583593cadf0a08cc31ad"


def test_seven_windows_of_each_user_and_a_hundred_eval_users(windows: pa.Table) -> None:
    assert windows.schema.equals(WINDOW)
    users = Counter(zip(windows["split"].to_pylist(), windows["user"].to_pylist(), strict=True))
    assert set(users.values()) == {7}
    assert Counter(split for split, _ in users) == {"eval": 100, "train": 238}


def test_the_split_never_changes(windows: pa.Table) -> None:
    users = sorted({row["user"] for row in windows.select(["user", "split"]).to_pylist() if row["split"] == "eval"})
    digest = sha256("\n".join(users).encode()).hexdigest()
    assert digest == "ab85e04af3f2ef7afc78c633776467b248b2dce1dc75e2537c722de1fab9af1f"


def test_times_never_run_back(windows: pa.Table) -> None:
    times: dict[str, list[object]] = {}
    for row in windows.to_pylist():
        times.setdefault(row["user"], []).extend(item["time"] for item in row["items"])
    assert all(series == sorted(series) for series in times.values())


def test_ties_in_time_are_not_in_the_order_of_ratings(behaviour: pa.Table) -> None:
    rows = behaviour.to_pylist()
    steps = [
        b["rating"] - a["rating"]
        for a, b in zip(rows, rows[1:], strict=False)
        if a["user"] == b["user"] and a["time"] == b["time"]
    ]
    up, down = sum(step > 0 for step in steps), sum(step < 0 for step in steps)
    assert len(steps) > 5_000
    assert abs(up - down) < 4 * (up + down) ** 0.5


def test_a_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "SHA256", "0" * 64)
    with pytest.raises(UserError, match="the bundled data is damaged"):
        bundled_behaviour()
