"""The bundled real data: MovieLens latest-small, edition of October 2016, users with at least 70 ratings.

`scripts/bundle_movielens.py` makes the file. Its terms are in `data/MOVIELENS-LICENSE.txt`, not those of the code.
"""

from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.categories import parse_categories
from deeper.behaviour.schema import CATEGORIES, TIME
from deeper.behaviour.windows import in_time_order, split_users, strings, to_windows
from deeper.errors import UserError

MOVIELENS_SMALL = "movielens_small"
"""The name of the bundled data, of its domain, and the salt of its split."""

SHA256 = "fbd70bd70e8507d4172af88a13c486897421f03007dbc887253d16c799bd48f3"


def movielens_small() -> pa.Table:
    """Return windows W0..W6 of the bundled users, 100 of them eval users.

    Returns:
        A `WINDOW` table; titles contain the year ("Heat (1995)"), times are UTC, ids are MovieLens's.

    Raises:
        UserError: The file is missing, or differs from the one of this version.
    """
    behaviour = bundled_behaviour()
    return to_windows(behaviour, split=split_users(strings(behaviour, "user"), MOVIELENS_SMALL))


def bundled_behaviour() -> pa.Table:
    """Return every rating of the bundled users as a `BEHAVIOUR` table.

    Raises:
        UserError: The file is missing, or differs from the one of this version.
    """
    path = files("deeper.behaviour").joinpath("data/movielens_small.parquet")
    remedy = "install deeper again, or use your own data"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"the bundled data cannot be read ({error.strerror})", where=str(path), do=remedy) from error
    if sha256(content).hexdigest() != SHA256:
        raise UserError("the bundled data is damaged", where=str(path), do=remedy)
    table = pq.read_table(BytesIO(content))
    events = {
        "user": table["user"].cast(pa.string()),
        "domain": pa.array([MOVIELENS_SMALL] * table.num_rows),
        "item": table["item"].cast(pa.string()),
        "title": table["title"].cast(pa.string()),
        "categories": _genres(table["genres"]),
        "rating": table["rating"],
        "time": table["time_seconds"].cast(pa.int64()).cast(pa.timestamp("s", "UTC")).cast(TIME),
    }
    return in_time_order(pa.Table.from_pydict(events))


def _genres(texts: Any) -> Any:
    """The column of categories from a column of texts such as "Comedy|Drama", of which few differ."""
    encoded = texts.combine_chunks().dictionary_encode()
    genres = [parse_categories(text, "|") for text in encoded.dictionary.to_pylist()]
    return pa.array(genres, CATEGORIES).take(encoded.indices)
