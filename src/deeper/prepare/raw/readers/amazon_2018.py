"""Amazon Reviews 2018: 5-core reviews and products as JSON lines.

    Books_5.json.gz         reviewerID, asin, overall, unixReviewTime (seconds, always midnight UTC), …
    meta_Books.json.gz      asin, title, category (a list: a path, and sentences about the product), brand, …

Other keys are optional, and keys come in any order. A review may occur several times, once for each variant of a
product. Source: Ni, Li and McAuley, Justifying recommendations using distantly-labeled reviews, EMNLP 2019.
"""

from deeper.prepare.raw.reader import UNIX_SECONDS, Fields, Reader

META = Fields(
    {"item": ("asin",), "title": ("title",)}, optional={"category": ("category", "categories"), "brand": ("brand",)}
)

READERS = (
    Reader(
        name="amazon_2018",
        record_format="json",
        ratings=Fields(
            {"user": ("reviewerID",), "item": ("asin",), "rating": ("overall",), "time": ("unixReviewTime",)}
        ),
        meta=META,
        time_sql=UNIX_SECONDS,
        rating_files=("{}_5.json", "{}.json", "reviews_{}_5.json"),
        meta_files=("meta_{}.json",),
        identifying_keys=("reviewerID", "asin", "overall", "unixReviewTime"),
    ),
)
