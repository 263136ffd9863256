"""How each raw format is written: names of the files, order of the rows, and the text of a row.

Every format with a reader is here under the reader's name. Two also have a variant: Kaggle's copy of MovieLens, and the
early files of Amazon 2023. Amazon ratings without reviews use the meta file of 2018, for the 2014 edition too: its own
meta file is not valid JSON.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from deeper.prepare.synth.file_lines import (
    Columns,
    TextArray,
    cells,
    formatted,
    from_one,
    interactions,
    milliseconds,
    movie,
    padded,
    place,
    product_2018,
    product_2023,
    recipe,
    reviews_2018,
    reviews_2023,
    reviews_of_places,
    seconds,
)
from deeper.prepare.synth.rating_events import Ints, RowOrder

Ids = Callable[[Ints], TextArray]


@dataclass(frozen=True)
class FileFormat:
    """How a raw format is written.

    Attributes:
        family: Data that the ratings and titles resemble (a key of `raw_files.SHAPES` and `made_titles.RATES`).
        row_order: Order of the ratings file's rows.
        ratings_file: Name of the ratings file; {} stands for the category.
        meta_file: Name of the meta file, likewise.
        ratings_header: First line of the ratings file, with its line end.
        ratings_lines: Makes the rows' text, each with its line end.
        user_id: Makes user ids from numbers.
        item_id: Makes item ids from numbers.
        time: Makes the text of times from Unix seconds.
        meta_header: First line of the meta file.
        meta_line: Makes a row of the meta file from item id, raw title and item number.
        unreadable_line: A line that cannot be read, in either file.
        quirk_marks: For each quirk of rows, a text that occurs only in rows with it.
        has_repeats: Whether a user may rate an item again.
    """

    family: str
    row_order: RowOrder
    ratings_file: str
    meta_file: str
    ratings_lines: Callable[[Columns], TextArray]
    user_id: Ids
    item_id: Ids
    time: Callable[[Ints], TextArray]
    meta_line: Callable[[str, str, int], str]
    unreadable_line: str
    ratings_header: str = ""
    meta_header: str = ""
    quirk_marks: Mapping[str, str] = field(default_factory=dict[str, str])
    has_repeats: bool = True

    @property
    def is_json(self) -> bool:
        """Whether rows of the ratings file are JSON."""
        return self.unreadable_line.startswith("{")


RECIPES_HEADER = (
    "name,id,minutes,contributor_id,submitted,tags,nutrition,n_steps,steps,description,ingredients,n_ingredients\n"
)
_COLUMNS = ("user", "item", "rating", "time")

_MOVIELENS = FileFormat(
    family="movielens",
    row_order="user",
    ratings_file="ratings.csv",
    meta_file="movies.csv",
    ratings_header="userId,movieId,rating,timestamp\r\n",
    ratings_lines=cells(*_COLUMNS, end="\r\n"),
    user_id=from_one,
    item_id=from_one,
    time=seconds,
    meta_header="movieId,title,genres\n",
    meta_line=movie,
    unreadable_line="1,2\r\n",
)
_AMAZON_2018 = FileFormat(
    family="amazon",
    row_order="item",
    ratings_file="{}_5.json.gz",
    meta_file="meta_{}.json.gz",
    ratings_lines=reviews_2018,
    user_id=padded("A", 13),
    item_id=padded("B", 9),
    time=seconds,
    meta_line=product_2018,
    unreadable_line='{"overall": 5.0, "reviewerID": "A\n',
    quirk_marks={"other_order": '{"reviewerID"', "style": '"style": ', "vote": '"vote": ', "image": '"image": '},
)
_AMAZON_CSV = replace(
    _AMAZON_2018,
    ratings_file="{}.csv",
    ratings_lines=cells("item", "user", "rating", "time"),
    unreadable_line="B000,A0\n",
    quirk_marks={},
)
_AMAZON_2023 = FileFormat(
    family="amazon",
    row_order="time",
    ratings_file="{}.jsonl.gz",
    meta_file="meta_{}.jsonl.gz",
    ratings_lines=reviews_2023("timestamp"),
    user_id=padded("A", 27),
    item_id=padded("B", 9),
    time=milliseconds,
    meta_line=product_2023,
    unreadable_line='{"rating": 5.0, "title"\n',
)

FORMATS = {
    "movielens": _MOVIELENS,
    "movielens_kaggle": replace(
        _MOVIELENS,
        ratings_file="rating.csv",
        meta_file="movie.csv",
        ratings_header='"userId","movieId","rating","timestamp"\n',
        ratings_lines=cells(*_COLUMNS),
        time=formatted('"%Y-%m-%d %H:%M:%S"'),
        meta_header='"movieId","title","genres"\n',
        unreadable_line="1,2\n",
    ),
    "amazon_2018": _AMAZON_2018,
    "amazon_csv": _AMAZON_CSV,
    "amazon_csv_2014": replace(_AMAZON_CSV, ratings_file="ratings_{}.csv", ratings_lines=cells(*_COLUMNS)),
    "amazon_2023": _AMAZON_2023,
    "amazon_2023_early": replace(
        _AMAZON_2023,
        ratings_lines=reviews_2023("sortTimestamp"),
        quirk_marks={"sortTimestamp": '"sortTimestamp": '},
    ),
    "amazon_2023_csv": replace(
        _AMAZON_2023,
        ratings_file="{}.csv",
        ratings_header="user_id,parent_asin,rating,timestamp\n",
        ratings_lines=cells(*_COLUMNS),
        unreadable_line="A0,B0\n",
        has_repeats=False,  # the publishers removed them
    ),
    "food_com": FileFormat(
        family="food_com",
        row_order="item",
        ratings_file="RAW_interactions.csv",
        meta_file="RAW_recipes.csv",
        ratings_header="user_id,recipe_id,date,rating,review\n",
        ratings_lines=interactions,
        user_id=from_one,
        item_id=from_one,
        time=formatted("%Y-%m-%d"),
        meta_header=RECIPES_HEADER,
        meta_line=recipe,
        unreadable_line="1,2\n",
        quirk_marks={"many_lines": "\r\n"},
    ),
    "google_local": FileFormat(
        family="google_local",
        row_order="item",
        ratings_file="review-{}_10.json.gz",
        meta_file="meta-{}.json.gz",
        ratings_lines=reviews_of_places,
        user_id=padded("1", 20),
        item_id=padded("0x89c25:0x", 8),
        time=milliseconds,
        meta_line=place,
        unreadable_line='{"user_id": "1\n',
        quirk_marks={"no_text": '"text": null', "answered": '"resp": {'},
    ),
}
"""The raw formats by name."""
