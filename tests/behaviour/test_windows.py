import random
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.behaviour.schema import BEHAVIOUR, WINDOW
from deeper.behaviour.windows import in_time_order, short_users, split_users, to_windows

START = datetime(2021, 5, 1, tzinfo=UTC)
NAMES = [name for name in BEHAVIOUR.names if name != "position"]


def events(rows: list[tuple[str, str, float, int]], domain: str = "shelf") -> pa.Table:
    """Events of (user, item, rating, minute), without positions."""
    return pa.Table.from_pylist(
        [
            {
                "user": user,
                "domain": domain,
                "item": item,
                "title": f"The {item}",
                "categories": [f"Kind {item[-1]}"],
                "rating": rating,
                "time": START + timedelta(minutes=minute),
            }
            for user, item, rating, minute in rows
        ],
        schema=pa.schema([BEHAVIOUR.field(name) for name in NAMES]),
    )


def history(user: str, count: int, domain: str = "shelf") -> pa.Table:
    return events([(user, f"{user}{i}", 1 + i % 5, i) for i in range(count)], domain)


def behaviour(*tables: pa.Table) -> pa.Table:
    return in_time_order(pa.concat_tables(tables))


def everyone_trains(user: str) -> str:
    del user
    return "train"


class TestOrder:
    def test_by_domain_user_and_time(self) -> None:
        table = behaviour(history("b", 3, "z"), history("b", 3, "a"), history("a", 3, "z"))
        shuffled = table.drop_columns("position").take(np.random.default_rng(3).permutation(9))
        assert in_time_order(shuffled).equals(table)
        assert table["domain"].to_pylist() == ["a"] * 3 + ["z"] * 6
        assert table["user"].to_pylist() == ["b"] * 3 + ["a"] * 3 + ["b"] * 3
        assert table["position"].to_pylist() == [0, 1, 2] * 3
        assert table.schema.equals(BEHAVIOUR)

    def test_ties_do_not_depend_on_rows_or_ratings(self) -> None:
        rows = [("u", f"item {i}", 1.0, 0) for i in range(40)]
        first = in_time_order(events(rows))["item"].to_pylist()
        random.Random(1).shuffle(rows)
        rated = [(user, item, float(1 + i % 5), minute) for i, (user, item, _, minute) in enumerate(rows)]
        assert in_time_order(events(rated))["item"].to_pylist() == first
        assert first != sorted(first)

    def test_ties_differ_between_users(self) -> None:
        table = in_time_order(events([(user, f"item {i}", 1.0, 0) for user in "uv" for i in range(40)]))
        items = table["item"].to_pylist()
        assert items[:40] != items[40:]

    def test_what_is_the_same_event_twice_keeps_its_order(self) -> None:
        table = in_time_order(events([("u", "same", float(rating), 0) for rating in (2, 5, 1, 4)]))
        assert table["rating"].to_pylist() == [2, 5, 1, 4]

    def test_a_given_position_breaks_ties_but_not_time(self) -> None:
        table = events([("u", "late", 1.0, 9), ("u", "second", 1.0, 0), ("u", "first", 1.0, 0)])
        table = table.append_column("position", pa.array([0, 2, 1], pa.int32()))
        ordered = in_time_order(table)
        assert ordered["item"].to_pylist() == ["first", "second", "late"]
        assert ordered["position"].to_pylist() == [0, 1, 2]

    def test_an_event_without_time_is_refused(self) -> None:
        table = history("u", 2)
        times = pa.array([START, None], BEHAVIOUR.field("time").type)
        with pytest.raises(ValueError, match="without a time"):
            in_time_order(table.set_column(table.column_names.index("time"), "time", times))

    def test_no_events(self) -> None:
        assert in_time_order(events([])).num_rows == 0


class TestWindows:
    def test_whole_consecutive_windows(self) -> None:
        table = to_windows(behaviour(history("u", 11)), 3, 7, split=everyone_trains)
        assert table.schema.equals(WINDOW)
        assert table["k"].to_pylist() == [0, 1, 2]
        items = [[item["item"] for item in window] for window in table["items"].to_pylist()]
        assert items == [["u0", "u1", "u2"], ["u3", "u4", "u5"], ["u6", "u7", "u8"]]
        assert table["items"][1].as_py()[0] == {
            "item": "u3",
            "title": "The u3",
            "categories": ["Kind 3"],
            "rating": 4.0,
            "time": START + timedelta(minutes=3),
        }

    def test_at_most_count_windows(self) -> None:
        table = to_windows(behaviour(history("u", 100)), 3, 4, split=everyone_trains)
        assert table["k"].to_pylist() == [0, 1, 2, 3]

    def test_users_of_fewer_than_two_windows_are_named(self) -> None:
        table = behaviour(history("one", 5), history("two", 6), history("two", 5, "z"))
        assert to_windows(table, 3, split=everyone_trains)["user"].to_pylist() == ["two", "two"]
        assert short_users(table, 3) == [("shelf", "one"), ("z", "two")]

    def test_nobody_has_two(self) -> None:
        table = to_windows(behaviour(history("u", 3)), 3, split=everyone_trains)
        assert table.num_rows == 0
        assert table.schema.equals(WINDOW)

    def test_sorted_by_domain_split_user_and_k(self) -> None:
        table = behaviour(history("c", 4, "y"), history("a", 6, "z"), history("b", 4, "z"), history("c", 4, "z"))
        split = {"a": "train", "b": "eval", "c": "train"}
        windows = to_windows(table, 2, split=split)
        keys = list(zip(*(windows[name].to_pylist() for name in ("domain", "split", "user", "k")), strict=True))
        assert keys == sorted(keys)
        assert len(keys) == 9
        assert keys[2] == ("z", "eval", "b", 0)

    def test_positions_against_time_are_refused(self) -> None:
        table = behaviour(history("u", 4))
        backwards = table.set_column(7, BEHAVIOUR.field("position"), pa.array([3, 2, 1, 0], pa.int32()))
        with pytest.raises(ValueError, match="user 'u' are not in time order"):
            to_windows(backwards, 2, split=everyone_trains)

    @given(st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 5), st.integers(1, 5)), max_size=60))
    def test_windows_are_the_beginnings_of_histories(self, rows: list[tuple[str, int, int]]) -> None:
        table = in_time_order(
            events([(user, f"i{n}", rating, minute) for n, (user, minute, rating) in enumerate(rows)])
        )
        windows = to_windows(table, 3, 4, split=everyone_trains)
        for user in "uvw":
            series = [row["item"] for row in table.to_pylist() if row["user"] == user]
            cut = [item["item"] for row in windows.to_pylist() if row["user"] == user for item in row["items"]]
            assert cut == (series[: min(len(series) // 3, 4) * 3] if len(series) >= 6 else [])

    def test_a_hundred_thousand_rows_take_about_a_second(self) -> None:
        rng = np.random.default_rng(0)
        count = 100_000
        table = pa.table(
            {
                "user": [f"user {i}" for i in rng.integers(0, 700, count)],
                "domain": ["shelf"] * count,
                "item": [f"item {i}" for i in rng.integers(0, 9000, count)],
                "title": ["The Thing"] * count,
                "categories": [["Things", "Shelf"]] * count,
                "rating": pa.array(rng.integers(1, 6, count), pa.float32()),
                "time": pa.array(rng.integers(0, 10**6, count), BEHAVIOUR.field("time").type),
            }
        )
        begin = time.process_time()
        windows = to_windows(in_time_order(table), split=everyone_trains)
        assert windows.num_rows == 700 * 7
        assert time.process_time() - begin < 5


class TestSplit:
    @pytest.mark.parametrize(("users", "evaluated"), [(0, 0), (1, 1), (2, 1), (10, 3), (11, 4), (334, 100), (999, 100)])
    def test_thirty_per_cent_but_at_most_a_hundred(self, users: int, evaluated: int) -> None:
        split = split_users([f"user {i}" for i in range(users)], "salt")
        assert len(split) == users
        assert sum(part == "eval" for part in split.values()) == evaluated

    def test_it_is_fixed(self) -> None:
        split = split_users([f"user {i}" for i in range(10)], "salt")
        assert sorted(user for user, part in split.items() if part == "eval") == ["user 0", "user 1", "user 4"]

    def test_neither_order_nor_repetition_matters(self) -> None:
        users = [f"user {i}" for i in range(50)]
        assert split_users([*reversed(users), *users], "salt") == split_users(users, "salt")

    def test_the_salt_matters(self) -> None:
        users = [f"user {i}" for i in range(50)]
        assert split_users(users, "salt") != split_users(users, "pepper")
