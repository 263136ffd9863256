"""Amazon ratings without reviews: CSV without a header. The order of the columns differs between editions.

    2018    item,user,rating,timestamp      Unix seconds
    2014    user,item,rating,timestamp

The ids show the order: an item has ten letters or digits, a user begins with A and is longer. If the first thousand
lines do not show it, the user must name the format. Titles are in the meta file of the 2018 edition.
"""

from dataclasses import replace

from deeper.prepare.raw.reader import UNIX_SECONDS, Fields, Reader
from deeper.prepare.raw.readers.amazon_2018 import META

_NAMES = {"user": ("user",), "item": ("item",), "rating": ("rating",), "time": ("time",)}

_EDITION_2018 = Reader(
    name="amazon_csv",
    record_format="csv",
    ratings=Fields(_NAMES, columns=("item", "user", "rating", "time")),
    meta=META,
    time_sql=UNIX_SECONDS,
    rating_files=("{}.csv",),
    meta_files=("meta_{}.json",),
    id_patterns={"user": "A[0-9A-Z]{11,}", "item": "[0-9A-Z]{10}"},
)

READERS = (
    _EDITION_2018,
    replace(
        _EDITION_2018,
        name="amazon_csv_2014",
        ratings=Fields(_NAMES, columns=("user", "item", "rating", "time")),
        rating_files=("ratings_{}.csv",),
    ),
)
