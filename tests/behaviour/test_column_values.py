"""What a column holds is judged by its values: what names the item, who rated it, and which rows are not rated."""

import csv
import io
import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from deeper.behaviour.own.meaning import column_values
from deeper.behaviour.own.ratings_file import OwnRatings, read_ratings
from deeper.errors import UserError

HEADLINES = {1: "One Star", 2: "Two Stars", 3: "Three Stars", 4: "Four Stars", 5: "Five Stars"}


def rating(user: int, number: int) -> int:
    """1 to 5; each user rates an item differently."""
    return 1 + (3 * user + number) % 5


def table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header.split(","), *rows])
    path.write_text(text.getvalue(), "utf-8")
    return path


def pairs(users: int = 3, items: int = 30) -> list[tuple[int, int]]:
    return [(user, number) for user in range(users) for number in range(items)]


def titles(own: OwnRatings) -> set[str]:
    return {item["title"] for window in own.windows["items"].to_pylist() for item in window}


def refused(path: Path, **how: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        read_ratings(path, **how)
    return caught.value


def categories(own: OwnRatings) -> dict[str, list[str]]:
    return {item["title"]: item["categories"] for window in own.windows["items"].to_pylist() for item in window}


CUISINES = ("Thai", "Greek", "Ethiopian", "Diner")


class TestCategories:
    @pytest.mark.parametrize("name", ["cuisine", "Category", "genres", "tags", "place_cuisine"])
    def test_a_column_is_found_by_its_name(self, tmp_path: Path, name: str) -> None:
        rows = [(user, f"Place {i}", CUISINES[i % 4], rating(user, i)) for user, i in pairs()]
        own = read_ratings(table(tmp_path / "a.csv", f"user,name,{name},stars", rows), "place")
        assert own.summary.columns["categories"] == name
        assert categories(own) == {f"Place {i}": [CUISINES[i % 4]] for i in range(30)}
        assert own.summary.first[0][:3] == ("0", "Place 0", ["Thai"])

    def test_one_persons_file_whose_ratings_follow_the_cuisine(self, tmp_path: Path) -> None:
        rows = [(f"Place {i}", CUISINES[i % 4], 1 + i % 4 + (i == 7)) for i in range(40)]
        own = read_ratings(table(tmp_path / "a.csv", "restaurant,cuisine,rating", rows), "restaurant")
        assert categories(own)["Place 2"] == ["Ethiopian"]

    @pytest.mark.parametrize("separator", ["|", ";", ", "])
    def test_a_cell_holds_one_or_several(self, tmp_path: Path, separator: str) -> None:
        cells = [separator.join(CUISINES[: 1 + i % 3]) for i in range(30)]
        rows = [(user, f"Place {i}", cells[i], rating(user, i)) for user, i in pairs()]
        own = read_ratings(table(tmp_path / "a.csv", "user,name,tags,stars", rows))
        assert categories(own)["Place 5"] == ["Greek", "Ethiopian"]
        assert own.notes[-1] == "categories left out because more than 90% of the items have them: Thai"

    def test_a_cell_may_be_a_json_array(self, tmp_path: Path) -> None:
        rows = [(user, f"Place {i}", json.dumps([CUISINES[i % 4], "Open, late"][: 1 + i % 2]), rating(user, i))
                for user, i in pairs()]  # fmt: skip
        own = read_ratings(table(tmp_path / "a.csv", "user,name,tags,stars", rows))
        assert categories(own)["Place 3"] == ["Diner", "Open, late"]

    def test_the_user_may_name_the_column_or_none(self, tmp_path: Path) -> None:
        rows = [(user, f"Place {i}", CUISINES[i % 4], "Kind"[: i % 3], rating(user, i)) for user, i in pairs()]
        path = table(tmp_path / "a.csv", "user,name,kitchen,tags,stars", rows)
        assert categories(read_ratings(path, columns=["categories=kitchen"]))["Place 1"] == ["Greek"]
        assert not any(categories(read_ratings(path, columns=["categories="])).values())

    @pytest.mark.parametrize(
        ("cell", "reason"),
        [(lambda i: str(100 + i % 4), "names no category in most rows"), (lambda i: f"About {i}", "differs from item")],
    )
    def test_what_holds_no_categories_is_not_read_and_a_note_says_so(
        self, tmp_path: Path, cell: Callable[[int], str], reason: str
    ) -> None:
        rows = [(user, f"Place {i}", cell(i), rating(user, i)) for user, i in pairs()]
        own = read_ratings(table(tmp_path / "a.csv", "user,name,category,stars", rows))
        assert "categories" not in own.summary.columns and not any(categories(own).values())
        assert any(note.startswith(f"the categories cannot be in category, which {reason}") for note in own.notes)
        assert any(categories(read_ratings(tmp_path / "a.csv", columns=["categories=category"])).values()) is (
            cell(0) == "About 0"
        )

    def test_the_next_column_takes_its_place(self, tmp_path: Path) -> None:
        rows = [(user, f"Place {i}", 7 + i % 3, CUISINES[i % 4], rating(user, i)) for user, i in pairs()]
        own = read_ratings(table(tmp_path / "a.csv", "user,name,category,cuisine,stars", rows))
        assert own.summary.columns["categories"] == "cuisine"

    def test_an_empty_column_does_no_harm(self, tmp_path: Path) -> None:
        rows = [(user, f"Place {i}", "", rating(user, i)) for user, i in pairs()]
        own = read_ratings(table(tmp_path / "a.csv", "user,name,tags,stars", rows))
        assert not any(categories(own).values())
        assert not any("categories" in note for note in own.notes)


class TestTitles:
    @pytest.mark.parametrize("users", [1, 3])
    def test_the_name_of_the_user_is_no_title(self, tmp_path: Path, users: int) -> None:
        rows = [(user, f"Ada {user}", rating(user, i), f"g{i}") for user, i in pairs(users)]
        error = refused(table(tmp_path / "a.csv", "user_id,name,rating,gmap_id", rows))
        assert error.what == "the title cannot be in name, which has one text for all rows of a user ('Ada 0')"
        assert error.do == "give --columns title=COLUMN (found: user_id, name, rating, gmap_id)"
        own = read_ratings(tmp_path / "a.csv", columns=["title=name"])
        assert titles(own) == {f"Ada {user}" for user in range(users)}

    def test_the_next_column_takes_its_place(self, tmp_path: Path) -> None:
        rows = [(user, f"Ada {user}", f"Film {i}", rating(user, i)) for user, i in pairs()]
        path = table(tmp_path / "a.csv", "user,name,movie,rating", rows)
        for noun in ("item", "film", "movie"):
            own = read_ratings(path, noun)
            assert own.summary.columns["title"] == "movie" and "Film 3" in titles(own)

    @pytest.mark.parametrize("users", [1, 40])
    @pytest.mark.parametrize("header", ["rating,title,asin,user_id", "rating,title,note,user_id"])
    def test_a_headline_that_gives_the_rating_away_is_no_title(self, tmp_path: Path, users: int, header: str) -> None:
        rows = [(r := rating(user, i), HEADLINES[r], f"b{user}-{i}", user) for user, i in pairs(users)]
        error = refused(table(tmp_path / "a.csv", header, rows))
        assert error.what.startswith("the title cannot be in title, which gives the rating away ('")
        assert "--columns title=COLUMN" in error.do

    def test_several_texts_for_one_item_are_no_titles(self, tmp_path: Path) -> None:
        rows = [(rating(user, i), f"How I liked it {user}-{i}", f"b{i}", user) for user, i in pairs()]
        error = refused(table(tmp_path / "a.csv", "rating,title,asin,user_id", rows))
        assert error.what == "the title cannot be in title, which has several texts for one item"

    def test_numbers_are_no_titles_where_there_is_text(self, tmp_path: Path) -> None:
        rows = [(user, 100 + i, f"Film {i}", rating(user, i)) for user, i in pairs()]
        path = table(tmp_path / "a.csv", "user,movie,title,rating", rows)
        assert "Film 3" in titles(read_ratings(path, "movie"))
        only = table(tmp_path / "b.csv", "user,movie,rating", [(user, i, r) for user, i, _, r in rows])
        assert "103" in titles(read_ratings(only, "movie"))

    def test_a_category_is_no_id(self, tmp_path: Path) -> None:
        rows = [(user, "film", f"Film {i}", rating(user, i)) for user, i in pairs()]
        own = read_ratings(table(tmp_path / "a.csv", "user,item,title,rating", rows))
        assert own.summary.columns == {"user": "user", "title": "title", "rating": "rating"}
        assert own.summary.items == 30

    def test_items_that_are_good_or_bad_keep_their_titles(self, tmp_path: Path) -> None:
        draw = random.Random(7)
        quality = [draw.choice((2, 3, 4)) for _ in range(30)]
        rows = [(user, f"Film {i}", min(5, max(1, quality[i] + draw.choice((-1, 0, 0, 1))))) for user, i in pairs(60)]
        for top in (5, 1):
            thumbs = [(user, title, stars if top == 5 else int(stars > 2)) for user, title, stars in rows]
            own = read_ratings(table(tmp_path / f"{top}.csv", "user,title,rating", thumbs))
            assert own.summary.columns["title"] == "title" and own.summary.ratings == 60 * 30

    @pytest.mark.parametrize("copies", [1, 2])
    def test_one_person_s_favourites_keep_their_titles(self, tmp_path: Path, copies: int) -> None:
        rows = [("u", f"Film {i}", rating(0, i)) for i in range(30)] * copies
        assert read_ratings(table(tmp_path / "a.csv", "user,title,rating", rows)).summary.items == 30

    def test_few_rows_reject_nothing(self, tmp_path: Path) -> None:
        rows = [("u", "Ada", rating(0, i)) for i in range(column_values.MIN_ROWS - 1)]
        assert "no user has the 20 ratings" in refused(table(tmp_path / "a.csv", "user,name,rating", rows)).what

    def test_values_of_any_type_are_judged(self, tmp_path: Path) -> None:
        odd = [{"user": ["u"], "title": {"a": 1}, "rating": [5]}, {"user": None}, {"title": 7, "rating": True}, 3]
        good = [{"user": "u", "title": f"Film {i}", "rating": rating(0, i)} for i in range(80)]
        path = tmp_path / "a.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in [*odd, *good]), "utf-8")
        assert read_ratings(path).summary.ratings == 80


class TestOnePerson:
    def test_the_author_is_not_the_user(self, tmp_path: Path) -> None:
        for maker in ("Author", "Authors", "Author ID", "Artist", "Director", "Brand"):
            rows = [(f"Vol {i}", "One Maker", rating(0, i)) for i in range(30)]
            own = read_ratings(table(tmp_path / "a.csv", f"Title,{maker},Rating", rows))
            assert own.summary.columns == {"title": "Title", "rating": "Rating"}
            assert set(own.windows["user"].to_pylist()) == {"me"}
            assert own.notes[0] == (
                "no column names the user: all ratings are read as one person's (set one with --columns user=COLUMN)"
            )

    def test_the_user_may_say_that_there_is_one(self, tmp_path: Path) -> None:
        rows = [(user, f"Film {i}", rating(user, i)) for user, i in pairs()]
        own = read_ratings(table(tmp_path / "a.csv", "user,title,rating", rows), columns=["user="])
        assert (own.summary.users, own.notes[0]) == (1, "all ratings are read as one person's")

    def test_items_that_occur_again_and_again_are_several_people_s(self, tmp_path: Path) -> None:
        rows = [(f"p{user}", f"Film {i}", rating(user, i)) for user, i in pairs()]
        path = table(tmp_path / "a.csv", "who,title,rating", rows)
        error = refused(path)
        assert error.what == "no column seems to hold the user"
        assert error.do == (
            "give --columns user=COLUMN (found: who, title, rating); user= (empty) if one person gave all ratings"
        )
        own = read_ratings(table(tmp_path / "b.csv", "who,title,Your Rating", rows))
        assert own.summary.users == 1

    @pytest.mark.parametrize("field", ["title", "rating"])
    def test_only_the_user_may_be_missing(self, tmp_path: Path, field: str) -> None:
        rows = [(user, f"Film {i}", rating(user, i)) for user, i in pairs()]
        error = refused(table(tmp_path / "a.csv", "user,title,rating", rows), columns=[f"{field}="])
        assert (error.what, error.where) == (f"the {field} needs a column", "columns")


class TestUnrated:
    @pytest.mark.parametrize("blank", ["", " ", "NaN", "nan", "NULL", "None", "N/A", "#N/A", "<NA>", "-"])
    def test_blank_ratings_are_left_out_and_are_no_bad_rows(self, tmp_path: Path, blank: str) -> None:
        rows = [("u", f"Film {i}", blank if i % 2 else rating(0, i)) for i in range(60)]
        own = read_ratings(table(tmp_path / "a.csv", "user,title,rating", rows))
        assert (own.summary.rows, own.summary.ratings, dict(own.summary.unrated)) == (60, 30, {"blank": 30})
        assert not own.summary.skipped
        assert "rows left out because they hold no rating (blank: 30): 30" in own.notes

    def test_nothing_in_json_is_blank(self, tmp_path: Path) -> None:
        good = [{"user": "u", "title": f"Film {i}", "rating": rating(0, i)} for i in range(30)]
        bare = [{"user": "u", "title": f"Film {i}", "rating": r} for i, r in enumerate([None, float("nan"), ""] * 10)]
        path = tmp_path / "a.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in [*good, *bare, {"user": "u"}]), "utf-8")
        assert read_ratings(path).summary.unrated == {"blank": 31}

    def test_a_row_without_a_rating_needs_nothing_else(self, tmp_path: Path) -> None:
        rows = [("u", f"Film {i}", rating(0, i), "2023-01-01") for i in range(30)] + [("", "", "", "")] * 30
        assert read_ratings(table(tmp_path / "a.csv", "user,title,rating,time", rows)).summary.unrated == {"blank": 30}

    @pytest.mark.parametrize(("marks", "given"), [((0,), (0,)), ((0, -1), (0, -1)), ((99,), (99,))])
    def test_numbers_that_mean_not_rated(
        self, tmp_path: Path, marks: tuple[float, ...], given: tuple[float, ...]
    ) -> None:
        rows = [("u", f"Film {i}", marks[i // 2 % len(marks)] if i % 2 else rating(0, i)) for i in range(60)]
        path = table(tmp_path / "a.csv", "user,title,rating", rows)
        assert "does not show their scale" in refused(path).what
        own = read_ratings(path, unrated=given)
        assert (own.domain.scale.minimum, own.domain.scale.maximum, own.summary.ratings) == (1, 5, 30)
        assert own.summary.unrated.keys() == {f"{mark:g}" for mark in marks}

    def test_zero_is_suspected_where_the_scale_is_not_clear(self, tmp_path: Path) -> None:
        rows = [("u", f"Film {i}", i % 6) for i in range(60)]
        error = refused(table(tmp_path / "a.csv", "user,title,rating", rows))
        assert error.do.startswith("give --unrated 0 if that means 'not rated', or the scale: --scale 1:5:1")

    def test_zero_below_a_given_scale_is_not_rated(self, tmp_path: Path) -> None:
        rows = [("u", f"Film {i}", i % 6) for i in range(60)]
        path = table(tmp_path / "a.csv", "user,title,rating", rows)
        own = read_ratings(path, scale="1:5:1")
        assert (own.summary.unrated, own.summary.ratings) == ({"0": 10}, 50)
        assert "rows left out because they hold no rating (0: 10): 10" in own.notes
        assert read_ratings(path, scale="0:5:1").summary.ratings == 60

    def test_bad_rows_are_a_share_of_the_rated_ones(self, tmp_path: Path) -> None:
        rows = [("u", f"Film {i}", "" if i >= 20 else rating(0, i)) for i in range(200)]
        rows += [("u", f"Film {i}", "good") for i in range(5)]
        error = refused(table(tmp_path / "a.csv", "user,title,rating", rows))
        assert error.what.startswith("5 of 25 rows cannot be used")

    def test_a_file_of_unrated_items(self, tmp_path: Path) -> None:
        rows = [("u", f"Film {i}", "") for i in range(30)]
        error = refused(table(tmp_path / "a.csv", "user,title,rating", rows), scale="1:5:1")
        assert error.what == "the file holds no ratings in its 30 rows that can be read"


def test_the_first_rows_are_shown_as_they_were_understood(tmp_path: Path) -> None:
    rows = [(2023, "Ada", "" if not i else rating(0, i), f"Film {i}", f"2023-01-{1 + i:02}") for i in range(28)]
    own = read_ratings(table(tmp_path / "a.csv", "year,user,stars,movie,date", rows))
    shown = [(*others, time and time.isoformat()) for *others, time in own.summary.first]
    assert shown == [
        ("Ada", "Film 1", [], 2.0, "2023-01-02T00:00:00+00:00"),
        ("Ada", "Film 2", [], 3.0, "2023-01-03T00:00:00+00:00"),
    ]


def test_nested_values_have_columns_of_their_own(tmp_path: Path) -> None:
    """Trakt's ratings of movies, and Google's reviews of places, as JSON lines."""
    trakt = [
        {"rated_at": f"2023-01-{1 + i:02}T13:48:52.000Z", "rating": rating(0, i), "type": "movie",
         "movie": {"title": f"Film {i}", "year": 2000, "ids": {"trakt": i, "imdb": f"tt{i}"}}}
        for i in range(28)
    ]  # fmt: skip
    google = [
        {"date": f"2023-01-{1 + i:02}T13:48:52Z", "five_star_rating_published": rating(0, i),
         "location": {"name": f"Film {i}", "address": "1 Way"} if i else None}
        for i in range(28)
    ]  # fmt: skip
    for name, rows, columns in (
        ("trakt", trakt, ("movie.title", "rating", "rated_at")),
        ("google", google, ("location.name", "five_star_rating_published", "date")),
    ):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        own = read_ratings(path, "place")
        assert tuple(own.summary.columns.values())[:3] == columns
        assert titles(own) <= {f"Film {i}" for i in range(28)}
        assert set(own.windows["user"].to_pylist()) == {"me"}
    assert own.summary.skipped.keys() == {"the title is empty"}
