"""The bundled real data: MovieLens latest-small, edition of October 2016, users with at least 70 ratings.

`scripts/bundle_movielens.py` makes the file. Its terms are in `data/MOVIELENS-LICENSE.txt`, not those of the code.
"""

from hashlib import sha256
from importlib.resources import files
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.schema import TIME
from deeper.behaviour.windows import in_time_order, split_users, strings, to_windows
from deeper.errors import UserError

MOVIELENS_SMALL = "movielens_small"
"""The name of the bundled data, of its domain, and the salt of its split."""

SHA256 = "8178b76b567df37962d0ed89bb4da0127e86b03a8fbcca455a7a7e1ad7f9727c"


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
        "rating": table["rating"],
        "time": table["time_seconds"].cast(pa.int64()).cast(pa.timestamp("s", "UTC")).cast(TIME),
    }
    return in_time_order(pa.Table.from_pydict(events))
