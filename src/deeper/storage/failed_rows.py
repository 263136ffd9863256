"""Rows whose call failed, and their place in a stage's output once the call was made again.

A stage can make several output rows of one input row, such as a prediction of each window. Columns that input and
output share (`Stage.ask_again`) tell which output rows belong to an input row.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def failed_inputs(rows: pa.Table, output: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The input rows of which at least one output row has a `failure`.

    Args:
        rows: Input rows.
        output: What a stage has made of them.
        keys: The columns that tell which output rows belong to an input row; without any, no row is returned.
    """
    if not keys:
        return rows.slice(0, 0)
    failures = output["failure"].to_pylist()
    failed = {key for key, failure in zip(_keys(output, keys), failures, strict=True) if failure}
    return rows.filter(pa.array([key in failed for key in _keys(rows, keys)], pa.bool_()))


def with_new_rows(output: pa.Table, new: pa.Table, keys: Sequence[str]) -> pa.Table:
    """A stage's output, in which the rows of some inputs are replaced by new ones in the same places.

    Args:
        output: Output rows.
        new: The output of some of the same input rows: as many rows of each input, in the same order.
        keys: The columns that tell which output rows belong to an input row.
    """
    places: dict[Any, list[int]] = defaultdict(list)
    for place, key in enumerate(_keys(new, keys)):
        places[key].append(output.num_rows + place)
    takes = [places[key].pop(0) if key in places else i for i, key in enumerate(_keys(output, keys))]
    return pa.concat_tables([output, new]).take(pa.array(takes, pa.int64())).combine_chunks()


def _keys(table: pa.Table, names: Sequence[str]) -> list[Any]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))
