"""Write rows of ratings files from arrays of text, and rows of meta files, as the raw formats do."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc_typed

from deeper.prepare.synth.made_categories import GROUP, NO_GENRES, brand_of, kinds_of, path_of
from deeper.prepare.synth.rating_events import Ints

pc: Any = pc_typed
"""pyarrow.compute, whose stubs refuse plain values beside arrays."""

TextArray = Any
"""A pyarrow array of text, one value a row."""
Columns = dict[str, TextArray]
"""Text of each row: user, item, rating, time; and `pick`, random numbers that choose between variants of a line."""

WORDS = tuple("the a very good not so bad I made it again for my sister and would buy more of them".split())  # noqa: SIM905


def _text(numbers: Ints) -> TextArray:
    return pa.array(numbers, pa.int64()).cast(pa.string())


def from_one(numbers: Ints) -> TextArray:
    """Return ids that count from 1."""
    return _text(numbers + 1)


def padded(prefix: str, width: int) -> Callable[[Ints], TextArray]:
    """Return a function that makes ids of a prefix and a number with `width` digits."""

    def ids(numbers: Ints) -> TextArray:
        return _join(prefix, pc.utf8_lpad(_text(numbers), width, "0"))

    return ids


def _join(*parts: Any) -> TextArray:
    return pc.binary_join_element_wise(*parts, "")


def _pool(choices: Sequence[str], pick: TextArray) -> TextArray:
    """One of the choices for each row."""
    return pa.array(choices).take(pa.array(pick.to_numpy() % len(choices), pa.int64()))


def _texts(count: int) -> list[str]:
    """Reviews of 20 to 900 characters with entities, quotes, accents and line ends."""
    rng, texts = np.random.default_rng(7), list[str]()
    for i in range(count):
        text = " ".join(rng.choice(WORDS, int(np.exp(rng.uniform(1.5, 5.2)))))
        text += (" &amp; &quot;more&quot;", ' "quoted", and so on', " café", "")[i % 4]
        texts.append(text.replace(" would ", "\r\n would ") if i % 3 == 0 else text)
    return texts


JSON_TEXTS = [json.dumps(text) for text in _texts(64)]
CSV_TEXTS = [f'"{text.replace(chr(34), chr(34) * 2)}"' if i % 5 else "" for i, text in enumerate(_texts(64))]

REORDERED_LINES_OF_1024 = 76
"""Of 1024 lines of Amazon 2018 reviews, so many have their keys in another order: 392 of 5,269 in a real file."""


def seconds(times: Ints) -> TextArray:
    """Return times as Unix seconds."""
    return _text(times)


def milliseconds(times: Ints) -> TextArray:
    """Return times as Unix milliseconds."""
    return _text(times * 1000 + 123)


def formatted(pattern: str) -> Callable[[Ints], TextArray]:
    """Return a function that writes times in a strftime pattern."""

    def written(times: Ints) -> TextArray:
        return pc.strftime(pa.array(times, pa.timestamp("s")), pattern)

    return written


def cells(*names: str, end: str = "\n") -> Callable[[Columns], TextArray]:
    """Return a function that writes CSV rows of the named columns only."""

    def lines(c: Columns) -> TextArray:
        return _join(*[part for name in names for part in (c[name], ",")][:-1], end)

    return lines


def reviews_2018(c: Columns) -> TextArray:
    """Return Amazon 2018 reviews, some with their keys in another order."""
    before = _pool(
        ("", '"verified": true, ', '"vote": "1,012", ', '"verified": false, "image": ["a.jpg"], '), c["pick"]
    )
    after = _pool(('"style": {"Color:": " Red"}, ', "", "", '"summary": "Five Stars", ', '"vote": "3", '), c["pick"])
    text = _pool(JSON_TEXTS, c["pick"])
    in_common_order = _join(
        "{", before, '"overall": ', c["rating"], ', "reviewTime": "06 17, 2018", "reviewerID": "', c["user"],
        '", "asin": "', c["item"], '", ', after, '"reviewText": ', text, ', "unixReviewTime": ', c["time"], "}\n",
    )  # fmt: skip
    in_other_order = _join(
        '{"reviewerID": "', c["user"], '", "asin": "', c["item"], '", "reviewerName": "Somebody", "verified": true, ',
        '"reviewText": ', text, ', "overall": ', c["rating"], ', "reviewTime": "06 17, 2018", "unixReviewTime": ',
        c["time"], "}\n",
    )  # fmt: skip
    # The low bits already choose the texts.
    is_reordered = pc.less(pc.shift_right(c["pick"], 10), REORDERED_LINES_OF_1024)
    return pc.if_else(is_reordered, in_other_order, in_common_order)


def reviews_2023(time_key: str) -> Callable[[Columns], TextArray]:
    """Return a function that writes Amazon 2023 reviews, with the time under a key."""

    def lines(c: Columns) -> TextArray:
        return _join(
            '{"rating": ', c["rating"], ', "title": "Title of the review", "text": ', _pool(JSON_TEXTS, c["pick"]),
            ', "images": [], "asin": "B999999999", "parent_asin": "', c["item"], '", "user_id": "', c["user"],
            f'", "{time_key}": ', c["time"], ', "helpful_vote": 0, "verified_purchase": true}\n',
        )  # fmt: skip

    return lines


def interactions(c: Columns) -> TextArray:
    """Return Food.com interactions, some with reviews of many lines."""
    review = _pool(CSV_TEXTS, c["pick"])
    return _join(c["user"], ",", c["item"], ",", c["time"], ",", c["rating"], ",", review, "\n")


def reviews_of_places(c: Columns) -> TextArray:
    """Return Google Local reviews, some without text."""
    text = _pool(["null", *JSON_TEXTS], c["pick"])
    answer = _pool(("null", "null", '{"time": 1563014216513, "text": "Thank you"}'), c["pick"])
    return _join(
        '{"user_id": "', c["user"], '", "name": "Somebody", "time": ', c["time"], ', "rating": ', c["rating"],
        ', "text": ', text, ', "pics": null, "resp": ', answer, ', "gmap_id": "', c["item"], '"}\n',
    )  # fmt: skip


def csv_line(*cells: str) -> str:
    """Return a CSV row with its line end; cells are quoted where necessary."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def movie(item: str, title: str, number: int) -> str:
    """Return a row of movies.csv."""
    return csv_line(item, title, "|".join(kinds_of(number)) or NO_GENRES)


def product_2018(item: str, title: str, number: int) -> str:
    """Return a line of Amazon 2018's meta file; the rank is a text or a list."""
    rank = ["1 in Books"] if number % 3 else "2 in Books"
    row = {"category": path_of(number), "title": title, "brand": brand_of(number), "rank": rank, "asin": item}
    return json.dumps(row) + "\n"


def product_2023(item: str, title: str, number: int) -> str:
    """Return a line of Amazon 2023's meta file; the price may be null."""
    price = None if number % 3 else 9.5
    root, *path = path_of(number) or [None]
    row = {"main_category": root, "title": title, "price": price, "store": brand_of(number) or None}
    return json.dumps({**row, "categories": path, "parent_asin": item}) + "\n"


def recipe(item: str, title: str, number: int) -> str:
    """Return a row of RAW_recipes.csv, of one or two lines."""
    text = "two lines\nof it" if number % 3 == 0 else "one line"
    tags = str([GROUP, *map(str.lower, kinds_of(number))])
    return csv_line(title, item, "55", "1", "2005-09-16", tags, "[1.0]", "1", "['bake']", text, "['flour']", "1")


def place(item: str, title: str, number: int) -> str:
    """Return a line of Google Local's meta file; every tenth place has no address."""
    name, address = title.partition(",")[0], title if number % 10 else None
    row = {"name": name, "address": address, "gmap_id": item, "category": kinds_of(number) or None}
    return json.dumps(row) + "\n"
