"""Take what Python hands in: NumPy and pandas values, data frames of any library, and Arrow tables."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import pyarrow as pa

from deeper.behaviour.own.bad_values import BadValue
from deeper.errors import UserError

MAX_EXACT_DIGITS = 30
"""A decimal number with more digits before its point becomes a float."""

T = TypeVar("T")


class Frame(Protocol):
    """A data frame of any library, or an Arrow table."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Offer the rows to Arrow."""
        ...


def plain(value: object) -> object:
    """Return a NumPy, pandas, Arrow or decimal value as one of Python's own types; NaT and NA become None.

    Raises:
        BadValue: A time is outside Python's calendar.
    """
    if isinstance(value, pa.Scalar):
        value = cast(object, value.as_py())
    if isinstance(value, np.datetime64):
        time: object = value.astype("datetime64[us]").item()
        if not isinstance(time, datetime | None):  # NumPy returns a number that Python's datetime cannot hold
            raise BadValue("is outside the calendar")
        return time
    if isinstance(value, np.generic):
        return cast(object, value.item())
    if isinstance(value, Decimal):
        return _number(value)
    if type(value).__module__.partition(".")[0] == "pandas":  # pandas itself is not needed to know its values
        if type(value).__name__ in ("NaTType", "NAType"):
            return None
        if isinstance(value, datetime):
            return cast(Any, value).to_pydatetime(warn=False)
    return value


def _number(value: Decimal) -> object:
    if value.is_nan():
        return float("nan")
    is_whole = value.is_finite() and value.adjusted() < MAX_EXACT_DIGITS and value == value.to_integral_value()
    return int(value) if is_whole else float(value)


def is_table(rows: object) -> bool:
    """Return whether rows are a data frame or an Arrow table."""
    return any(hasattr(rows, name) for name in ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__"))


def as_table(rows: object) -> pa.Table:
    """Return a data frame, or anything that offers itself to Arrow, as a table; its times are in microseconds.

    Raises:
        UserError: A column has no single type, or a type that Arrow does not have.
    """
    try:
        if hasattr(rows, "__arrow_c_stream__"):
            return plain_times(pa.RecordBatchReader.from_stream(cast(Any, rows)).read_all())
        if hasattr(rows, "__arrow_c_array__"):
            return plain_times(pa.Table.from_batches([pa.record_batch(cast(Any, rows))]))
        from pyarrow.interchange.from_dataframe import from_dataframe

        return plain_times(from_dataframe(cast(Any, rows)))
    except (pa.ArrowException, ValueError, TypeError, NotImplementedError) as error:
        raise UserError(
            f"the table cannot be read ({error})", do="give each column a name of its own and values of one type"
        ) from error


def table_digest(table: pa.Table) -> str:
    """Return a short hash of a table's columns and values."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as stream:
        stream.write_table(table.replace_schema_metadata(None))
    return blake2b(sink.getvalue(), digest_size=8).hexdigest()


def rows_of(rows: Iterable[T] | Frame) -> Iterable[T | Mapping[str, Any]]:
    """Return the rows of a data frame or Arrow table as mappings; other rows are returned as they are.

    Raises:
        UserError: The table cannot be read.
    """
    if not is_table(rows):
        return cast(Iterable[T], rows)
    try:
        return as_table(rows).to_pylist()
    except (ValueError, OverflowError) as error:
        raise UserError(f"the table cannot be read ({error})", do="correct the value, or leave the row out") from error


Columns = TypeVar("Columns", pa.Table, pa.RecordBatch)


def plain_times(columns: Columns) -> Columns:
    """Return a table or batch with its timestamps in microseconds, the finest unit of Python's datetime."""
    fields = [
        pa.field(field.name, pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field
        for field in columns.schema
    ]
    return columns.cast(pa.schema(fields), safe=False)
