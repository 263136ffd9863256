"""The Arrow schemas of behaviour and windows."""

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")

CATEGORIES = pa.list_(pa.field("element", pa.string(), nullable=False))
"""The categories of an item, cleaned by `behaviour.categories`; an empty list if none is known, never null."""

BEHAVIOUR = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("categories", CATEGORIES, nullable=False),
        pa.field("rating", pa.float32(), nullable=False),
        pa.field("time", TIME),
        pa.field("position", pa.int32(), nullable=False),
    ]
)
"""One rating event a row; `position` numbers a user's events in time order from 0."""

ITEM = pa.struct(
    [
        pa.field("item", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("categories", CATEGORIES, nullable=False),
        pa.field("rating", pa.float32(), nullable=False),
        pa.field("time", TIME),
    ]
)

WINDOW = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("items", pa.list_(pa.field("element", ITEM, nullable=False)), nullable=False),
    ]
)
"""Window W_k of a user; `split` is "train" or "eval". Rows are sorted by (domain, split, user, k)."""
