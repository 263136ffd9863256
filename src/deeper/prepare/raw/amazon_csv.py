"""Amazon ratings without reviews: CSV without a header, whose column order differs between editions.

    2018    item,user,rating,timestamp      seconds since 1970
    2014    user,item,rating,timestamp

The order is told by the ids: items have ten letters or digits, users begin with A and are longer. Where the first
thousand lines do not tell, it must be named. Titles are in the meta file of the 2018 edition.
"""

from dataclasses import replace

from deeper.prepare.raw.amazon_2018 import META
from deeper.prepare.raw.reader import SECONDS, Fields, Reader

USER, ITEM = "A[0-9A-Z]{11,}", "[0-9A-Z]{10}"

_NAMES = {"user": ("user",), "item": ("item",), "rating": ("rating",), "time": ("time",)}

READER = Reader(
    name="amazon_csv",
    kind="csv",
    ratings=Fields(_NAMES, header=False, columns=("item", "user", "rating", "time")),
    meta=META,
    time=SECONDS,
    rating_files=("{}.csv",),
    meta_files=("meta_{}.json",),
)
EDITION_2014 = replace(
    READER,
    name="amazon_csv_2014",
    ratings=Fields(_NAMES, header=False, columns=("user", "item", "rating", "time")),
    rating_files=("ratings_{}.csv",),
)
