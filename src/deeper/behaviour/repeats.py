"""Find exact repeats of a rating: one rule for own files, `deeper prepare` and the tracker."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SAME = ("user", "domain", "item", "rating", "time")
"""An event that equals an earlier one in all of these repeats it: a file holds it twice, or a stream sent it twice.
Another rating or another time makes a new event, even of the same item."""


def is_repeat(events: pa.Table) -> NDArray[np.bool_]:
    """Return which events repeat an earlier row; shape (rows,).

    Args:
        events: Columns of `BEHAVIOUR`; user and domain may be missing where all events share them. Events without a
            time are alike in it.
    """
    keys = [name for name in SAME if name in events.column_names]
    numbered = events.select(keys).append_column("row", pa.array(np.arange(events.num_rows)))
    first = numbered.group_by(keys, use_threads=False).aggregate([("row", "min")])["row_min"].to_numpy()
    repeats = np.full(events.num_rows, True)
    repeats[first] = False
    return repeats
