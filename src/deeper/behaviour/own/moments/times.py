"""Read the times of a column: whether the day or the month comes first is asked of the whole column, once."""

from collections.abc import Callable, Iterator
from datetime import datetime

from deeper.behaviour.own.moments.dates import TwoDates, day_comes_first
from deeper.behaviour.own.table import OwnTable
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.own.values import parse_time


def time_parser(source: OwnTable, column: str) -> Callable[[object], datetime]:
    """Return `parse_time` for the values of a column.

    The file is read once more when a date such as 03/04/2023 occurs: other dates of the column may show its order.
    """
    orders: list[bool | None] = []

    def parse(value: object) -> datetime:
        try:
            return parse_time(value, *orders)
        except TwoDates:
            if orders:
                raise
            orders.append(day_comes_first(_values(source, column)))
            return parse_time(value, *orders)

    return parse


def _values(source: OwnTable, column: str) -> Iterator[object]:
    for _, row in source.rows([column]):
        if not isinstance(row, Unreadable):
            yield row[column]
