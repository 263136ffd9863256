"""Lines of each raw format from arrays of text, and the rows of its meta file."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.prepare.synth_events import Ints

TextArray = Any
"""A pyarrow array of text, a value a row."""
Columns = dict[str, TextArray]
"""Text of each row: user, item, rating, time; and `pick`, numbers that choose between variants of a line."""

WORDS = tuple("the a very good not so bad I made it again for my sister and would buy more of them".split())  # noqa: SIM905


@dataclass(frozen=True)
class Lines:
    """How a raw format is written.

    Attributes:
        kind: Whose quirks its titles have (`synth_titles.RATES`).
        ratings: Name of the ratings file, where {} stands for the category.
        meta: Name of the meta file.
        header: First line of the ratings file, with its line end.
        lines: Text of the rows, each with its line end.
        ids: User and item ids from their numbers.
        time: Text of times, from seconds since 1970.
        meta_header: First line of the meta file.
        meta_line: One row of it, from item id, raw title and item number.
        unreadable: A line that is none.
    """

    kind: str
    ratings: str
    meta: str
    header: str
    lines: Callable[[Columns], TextArray]
    ids: tuple[Callable[[Ints], TextArray], Callable[[Ints], TextArray]]
    time: Callable[[Ints], TextArray]
    meta_header: str
    meta_line: Callable[[str, str, int], str]
    unreadable: str


def _text(numbers: Ints) -> TextArray:
    return pa.array(numbers, pa.int64()).cast(pa.string())


def _from_one(numbers: Ints) -> TextArray:
    return _text(numbers + 1)


def _padded(prefix: str, width: int) -> Callable[[Ints], TextArray]:
    def ids(numbers: Ints) -> TextArray:
        return _join(prefix, pc.utf8_lpad(_text(numbers), width, "0"))

    return ids


def _join(*parts: Any) -> TextArray:
    return pc.binary_join_element_wise(*parts, "")


def _pool(choices: Sequence[str], pick: TextArray) -> TextArray:
    """One of the choices for each row."""
    return pa.array(choices).take(pa.array(pick.to_numpy() % len(choices), pa.int64()))


def _texts(count: int, line_ends: bool) -> list[str]:
    """Reviews of 20 to 900 letters with entities, quotes, accents and line ends."""
    rng, texts = np.random.default_rng(7), list[str]()
    for i in range(count):
        text = " ".join(rng.choice(WORDS, int(np.exp(rng.uniform(1.5, 5.2)))))
        text += (" &amp; &quot;more&quot;", ' "quoted", and so on', " café", "")[i % 4]
        texts.append(text.replace(" who ", "\r\n who ") if line_ends and i % 3 == 0 else text)
    return texts


JSON_TEXTS = [json.dumps(text) for text in _texts(64, True)]
CSV_TEXTS = [f'"{text.replace(chr(34), chr(34) * 2)}"' if i % 5 else "" for i, text in enumerate(_texts(64, True))]


def _seconds(times: Ints) -> TextArray:
    return _text(times)


def _milliseconds(times: Ints) -> TextArray:
    return _text(times * 1000 + 123)


def _formatted(pattern: str) -> Callable[[Ints], TextArray]:
    def written(times: Ints) -> TextArray:
        return pc.strftime(pa.array(times, pa.timestamp("s")), pattern)

    return written


def _movielens(end: str) -> Callable[[Columns], TextArray]:
    def lines(c: Columns) -> TextArray:
        return _join(c["user"], ",", c["item"], ",", c["rating"], ",", c["time"], end)

    return lines


def _amazon_2018(c: Columns) -> TextArray:
    before = _pool(
        ("", '"verified": true, ', '"vote": "1,012", ', '"verified": false, "image": ["a.jpg"], '), c["pick"]
    )
    after = _pool(('"style": {"Color:": " Red"}, ', "", "", '"summary": "Five Stars", ', '"vote": "3", '), c["pick"])
    return _join(
        "{", before, '"overall": ', c["rating"], ', "reviewTime": "06 17, 2018", "reviewerID": "', c["user"],
        '", "asin": "', c["item"], '", ', after, '"reviewText": ', _pool(JSON_TEXTS, c["pick"]),
        ', "unixReviewTime": ', c["time"], "}\n",
    )  # fmt: skip


def _amazon_csv(c: Columns) -> TextArray:
    return _join(c["item"], ",", c["user"], ",", c["rating"], ",", c["time"], "\n")


def _amazon_2023(c: Columns) -> TextArray:
    return _join(
        '{"rating": ', c["rating"], ', "title": "Title of the review", "text": ', _pool(JSON_TEXTS, c["pick"]),
        ', "images": [], "asin": "B999999999", "parent_asin": "', c["item"], '", "user_id": "', c["user"],
        '", "timestamp": ', c["time"], ', "helpful_vote": 0, "verified_purchase": true}\n',
    )  # fmt: skip


def _food_com(c: Columns) -> TextArray:
    review = _pool(CSV_TEXTS, c["pick"])
    return _join(c["user"], ",", c["item"], ",", c["time"], ",", c["rating"], ",", review, "\n")


def _google_local(c: Columns) -> TextArray:
    text = _pool(["null", *JSON_TEXTS], c["pick"])
    answer = _pool(("null", "null", '{"time": 1563014216513, "text": "Thank you"}'), c["pick"])
    return _join(
        '{"user_id": "', c["user"], '", "name": "Somebody", "time": ', c["time"], ', "rating": ', c["rating"],
        ', "text": ', text, ', "pics": null, "resp": ', answer, ', "gmap_id": "', c["item"], '"}\n',
    )  # fmt: skip


def csv_line(*cells: str) -> str:
    """A row of CSV with its line end, cells quoted where they must be."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _movie(item: str, title: str, number: int) -> str:
    return csv_line(item, title, "Drama|Comedy" if number % 3 else "(no genres listed)")


def _product_2018(item: str, title: str, number: int) -> str:
    rank = ["1 in Books"] if number % 3 else "2 in Books"
    return json.dumps({"category": ["A", "B"], "title": title, "rank": rank, "price": "$1", "asin": item}) + "\n"


def _product_2023(item: str, title: str, number: int) -> str:
    price = None if number % 3 else 9.5
    return json.dumps({"main_category": "A", "title": title, "price": price, "parent_asin": item}) + "\n"


def _recipe(item: str, title: str, number: int) -> str:
    text = "two lines\nof it" if number % 3 == 0 else "one line"
    return csv_line(title, item, "55", "1", "2005-09-16", "['easy']", "[1.0]", "1", "['bake']", text, "['flour']", "1")


def _place(item: str, title: str, number: int) -> str:
    name, category = title.partition(",")[0], ["Park"] if number % 3 else None
    place = {"name": name, "address": title if number % 10 else None, "gmap_id": item, "category": category}
    return json.dumps(place) + "\n"


RECIPES = (
    "name,id,minutes,contributor_id,submitted,tags,nutrition,n_steps,steps,description,ingredients,n_ingredients\n"
)
_AMAZON_IDS = (_padded("A", 13), _padded("B", 9))
_ONE_UP = (_from_one, _from_one)

FORMATS = {
    "movielens": Lines(
        "movielens", "ratings.csv", "movies.csv", "userId,movieId,rating,timestamp\r\n", _movielens("\r\n"), _ONE_UP,
        _seconds, "movieId,title,genres\n", _movie, "1,2\r\n",
    ),
    "movielens_kaggle": Lines(
        "movielens", "rating.csv", "movie.csv", '"userId","movieId","rating","timestamp"\n', _movielens("\n"), _ONE_UP,
        _formatted('"%Y-%m-%d %H:%M:%S"'), '"movieId","title","genres"\n', _movie, "1,2\n",
    ),
    "amazon_2018": Lines(
        "amazon", "{}_5.json.gz", "meta_{}.json.gz", "", _amazon_2018, _AMAZON_IDS, _seconds, "", _product_2018,
        '{"overall": 5.0, "reviewerID": "A\n',
    ),
    "amazon_csv": Lines(
        "amazon", "{}.csv", "meta_{}.json.gz", "", _amazon_csv, _AMAZON_IDS, _seconds, "", _product_2018, "B000,A0\n",
    ),
    "amazon_2023": Lines(
        "amazon", "{}.jsonl.gz", "meta_{}.jsonl.gz", "", _amazon_2023, (_padded("A", 27), _padded("B", 9)),
        _milliseconds, "", _product_2023, '{"rating": 5.0, "title"\n',
    ),
    "food_com": Lines(
        "food_com", "RAW_interactions.csv", "RAW_recipes.csv", "user_id,recipe_id,date,rating,review\n", _food_com,
        _ONE_UP, _formatted("%Y-%m-%d"), RECIPES, _recipe, "1,2\n",
    ),
    "google_local": Lines(
        "google_local", "review-{}_10.json.gz", "meta-{}.json.gz", "", _google_local,
        (_padded("1", 20), _padded("0x89c25:0x", 8)), _milliseconds, "", _place, '{"user_id": "1\n',
    ),
}  # fmt: skip
"""The raw formats by name."""
