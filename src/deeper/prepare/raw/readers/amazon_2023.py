"""Amazon Reviews 2023: reviews and products as JSON lines, or ratings as CSV with a header.

    Books.jsonl.gz          user_id, parent_asin, rating, timestamp (milliseconds; early files: sortTimestamp), …
    Books.csv               user_id,parent_asin,rating,timestamp
    meta_Books.jsonl.gz     parent_asin, title, main_category, categories (a list: a path), store (the brand), …

`title` in a review is the title of the review, not of the product. Products are joined by `parent_asin`, not `asin`.
Some items have no row in the meta file. Source: Hou et al., Bridging language and items for retrieval and
recommendation, 2024.
"""

from dataclasses import replace

from deeper.prepare.raw.reader import UNIX_MILLISECONDS, Fields, Reader

_REVIEWS = Reader(
    name="amazon_2023",
    record_format="json",
    ratings=Fields(
        {
            "user": ("user_id",),
            "item": ("parent_asin",),
            "rating": ("rating",),
            "time": ("timestamp", "sortTimestamp"),
        }
    ),
    meta=Fields(
        {"item": ("parent_asin",), "title": ("title",)},
        optional={"main_category": ("main_category",), "category": ("categories",), "brand": ("store",)},
    ),
    time_sql=UNIX_MILLISECONDS,
    rating_files=("{}.jsonl",),
    meta_files=("meta_{}.jsonl",),
    identifying_keys=("user_id", "parent_asin", "rating"),
)

READERS = (_REVIEWS, replace(_REVIEWS, name="amazon_2023_csv", record_format="csv", rating_files=("{}.csv",)))
