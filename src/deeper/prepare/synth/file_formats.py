"""The raw formats that can be made up: names of the files, order of the rows, and how a row is written.

Every format that has a reader is here under the reader's name. Two come in another spelling, too: Kaggle's copy of
MovieLens, and the early files of Amazon 2023. Ratings without reviews come beside the meta file of their edition;
those of Amazon 2014, whose own meta file is no JSON, beside that of 2018.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from deeper.prepare.synth.lines import (
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
from deeper.prepare.synth.rating_events import Ints, Order


@dataclass(frozen=True)
class Lines:
    """How a raw format is written.

    Attributes:
        kind: Whose quirks its titles have (`synth_titles.RATES`).
        order: In which order the rows of a chunk stand.
        ratings: Name of the ratings file, where {} stands for the category.
        meta: Name of the meta file.
        header: First line of the ratings file, with its line end.
        lines: Text of the rows, each with its line end.
        ids: User and item ids from their numbers.
        time: Text of times, from seconds since 1970.
        meta_header: First line of the meta file.
        meta_line: One row of it, from item id, raw title and item number.
        unreadable: A line that is none, in either file.
        marks: By name of a quirk, the text that only rows with it hold.
        repeats: Whether a user and item may be there again.
    """

    kind: str
    order: Order
    ratings: str
    meta: str
    header: str
    lines: Callable[[Columns], TextArray]
    ids: tuple[Callable[[Ints], TextArray], Callable[[Ints], TextArray]]
    time: Callable[[Ints], TextArray]
    meta_header: str
    meta_line: Callable[[str, str, int], str]
    unreadable: str
    marks: Mapping[str, str] = field(default_factory=dict[str, str])
    repeats: bool = True

    @property
    def is_json(self) -> bool:
        """Whether rows of the ratings file are JSON."""
        return self.unreadable.startswith("{")


RECIPES = (
    "name,id,minutes,contributor_id,submitted,tags,nutrition,n_steps,steps,description,ingredients,n_ingredients\n"
)
_ROW = ("user", "item", "rating", "time")
_IDS_2018 = (padded("A", 13), padded("B", 9))
_IDS_2023 = (padded("A", 27), padded("B", 9))
_ONE_UP = (from_one, from_one)

_AMAZON_CSV = Lines(
    "amazon", "item", "{}.csv", "meta_{}.json.gz", "", cells("item", "user", "rating", "time"), _IDS_2018, seconds, "",
    product_2018, "B000,A0\n",
)  # fmt: skip
_AMAZON_2023 = Lines(
    "amazon", "time", "{}.jsonl.gz", "meta_{}.jsonl.gz", "", reviews_2023("timestamp"), _IDS_2023, milliseconds, "",
    product_2023, '{"rating": 5.0, "title"\n',
)  # fmt: skip

FORMATS = {
    "movielens": Lines(
        "movielens", "user", "ratings.csv", "movies.csv", "userId,movieId,rating,timestamp\r\n",
        cells(*_ROW, end="\r\n"), _ONE_UP, seconds, "movieId,title,genres\n", movie, "1,2\r\n",
    ),
    "movielens_kaggle": Lines(
        "movielens", "user", "rating.csv", "movie.csv", '"userId","movieId","rating","timestamp"\n', cells(*_ROW),
        _ONE_UP, formatted('"%Y-%m-%d %H:%M:%S"'), '"movieId","title","genres"\n', movie, "1,2\n",
    ),
    "amazon_2018": Lines(
        "amazon", "item", "{}_5.json.gz", "meta_{}.json.gz", "", reviews_2018, _IDS_2018, seconds, "", product_2018,
        '{"overall": 5.0, "reviewerID": "A\n',
        {"other_order": '{"reviewerID"', "style": '"style": ', "vote": '"vote": ', "image": '"image": '},
    ),
    "amazon_csv": _AMAZON_CSV,
    "amazon_csv_2014": replace(_AMAZON_CSV, ratings="ratings_{}.csv", lines=cells(*_ROW)),
    "amazon_2023": _AMAZON_2023,
    "amazon_2023_early": replace(
        _AMAZON_2023, lines=reviews_2023("sortTimestamp"), marks={"sortTimestamp": '"sortTimestamp": '}
    ),
    # Its makers have left out the repeats.
    "amazon_2023_csv": replace(
        _AMAZON_2023, ratings="{}.csv", header="user_id,parent_asin,rating,timestamp\n", lines=cells(*_ROW),
        unreadable="A0,B0\n", repeats=False,
    ),
    "food_com": Lines(
        "food_com", "item", "RAW_interactions.csv", "RAW_recipes.csv", "user_id,recipe_id,date,rating,review\n",
        interactions, _ONE_UP, formatted("%Y-%m-%d"), RECIPES, recipe, "1,2\n", {"many_lines": "\r\n"},
    ),
    "google_local": Lines(
        "google_local", "item", "review-{}_10.json.gz", "meta-{}.json.gz", "", reviews_of_places,
        (padded("1", 20), padded("0x89c25:0x", 8)), milliseconds, "", place, '{"user_id": "1\n',
        {"no_text": '"text": null', "answered": '"resp": {'},
    ),
}  # fmt: skip
"""The raw formats by name."""
