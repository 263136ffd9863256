"""Amazon Reviews 2018: 5-core reviews and products as JSON lines.

    Books_5.json.gz         reviewerID, asin, overall, unixReviewTime (seconds, always midnight UTC), …
    meta_Books.json.gz      asin, title, …

Keys are optional but for these, and in any order. A review may be there several times: once for each variant of a
product. Ni, Li and McAuley, Justifying recommendations using distantly-labeled reviews, EMNLP 2019.
"""

from deeper.prepare.raw.reader import SECONDS, Fields, Reader

META = Fields({"item": ("asin",), "title": ("title",)})

READER = Reader(
    name="amazon_2018",
    kind="json",
    ratings=Fields({"user": ("reviewerID",), "item": ("asin",), "rating": ("overall",), "time": ("unixReviewTime",)}),
    meta=META,
    time=SECONDS,
    rating_files=("{}_5.json", "{}.json", "reviews_{}_5.json"),
    meta_files=("meta_{}.json",),
    marks=frozenset({"reviewerID", "asin", "overall", "unixReviewTime"}),
)
