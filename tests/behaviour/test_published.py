import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeper.behaviour.published.domain_folder import find_published, read_published, write_published
from deeper.behaviour.published.merge_records import Quirks
from deeper.behaviour.published.records import (
    MAX_CELL_CHARACTERS,
    RawWindow,
    format_context,
    format_literal,
    format_wide,
    parse_context,
    parse_literal,
    parse_wide,
)
from deeper.behaviour.published.text_files import csv_rows, csv_text, json_line, json_records
from deeper.behaviour.schema import WINDOW
from deeper.behaviour.titles import clean_title
from deeper.domains import Domain, Scale, find_domain
from deeper.errors import UserError

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "published"
REAL_FOLDERS = find_published(PUBLISHED)
Window = tuple[list[str], list[Any]]
BOARD_GAMES = Domain("board_games", "Board games", "board game", Scale(1, 10, 0.1))


def window(user: str, k: int, rating: float = 4.0) -> Window:
    return [f"Lantern {user}{k}{n}" for n in range(10)], [rating, *[3.0] * 9]


def context(user: str, iteration: int, dataset: str = "amazon_book", **windows: Window) -> dict[str, Any]:
    numbers = range(iteration - 1, iteration + 2)
    held = {k: windows.get(f"w{k}", window(user, k)) for k in numbers}
    return {
        "id": user,
        "iteration": iteration,
        "item_type": "book",
        "split": "eval",
        "dataset_name": dataset,
        "source_url": "",
        **{f"U{k}": held[k][1] for k in numbers},
        **{f"I{k}": held[k][0] for k in numbers},
    }


def wide(user: str, windows: int = 5, dataset: str = "amazon_book", **given: Window) -> dict[str, str]:
    held = [given.get(f"w{k}", window(user, k)) for k in range(windows)]
    cells = {f"windows_{k}": repr({"items": w[0], "ratings": w[1]}) for k, w in enumerate(held)}
    return {
        "id": user,
        "item_type": "book",
        "split": "train",
        "dataset_name": dataset,
        "source_url": "",
        **cells,
    }


def write_contexts(folder: Path, *records: dict[str, Any]) -> None:
    directory = folder / "test_iterations"
    directory.mkdir(parents=True, exist_ok=True)
    for record in records:
        path = directory / f"test_iteration_{record['iteration']}.jsonl"
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_rows(folder: Path, name: str, *rows: dict[str, str]) -> Path:
    path = folder / "split_data" / f"{name}_dataset.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def users(table: pa.Table) -> dict[str, tuple[str, list[int]]]:
    found: dict[str, tuple[str, list[int]]] = {}
    for row in table.select(["user", "split", "k"]).to_pylist():
        found.setdefault(row["user"], (row["split"], []))[1].append(row["k"])
    return found


def titles(table: pa.Table, user: str, k: int) -> list[str]:
    (row,) = [row for row in table.to_pylist() if (row["user"], row["k"]) == (user, k)]
    return [item["title"] for item in row["items"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "amazon_book"


class TestReading:
    def test_windows_of_all_iterations_become_one_user(self, folder: Path) -> None:
        write_contexts(folder, context("b", 1), context("a", 1), context("a", 2), context("b", 2))
        table, quirks = read_published(folder)
        assert table.schema == WINDOW
        assert users(table) == {"a": ("eval", [0, 1, 2, 3]), "b": ("eval", [0, 1, 2, 3])}
        assert set(table["domain"].to_pylist()) == {"amazon_books"}
        first = table.to_pylist()[0]["items"][0]
        assert first == {"item": "Lantern a00", "title": "Lantern a00", "categories": [], "rating": 4.0, "time": None}
        assert quirks == Quirks(users_read=2, users_kept=2)

    def test_split_is_the_files_not_the_columns(self, folder: Path) -> None:
        write_rows(folder, "train", wide("t") | {"split": "eval"})
        write_rows(folder, "test", wide("e"))
        write_rows(folder, "full", wide("t"), wide("e"), wide("f"))
        table, quirks = read_published(folder)
        assert {user: split for user, (split, _) in users(table).items()} == {
            "t": "train",
            "e": "eval",
            "f": "train",
        }
        assert quirks == Quirks(users_read=3, users_kept=3)

    def test_a_full_file_alone_leaves_no_one_a_split(self, folder: Path) -> None:
        write_rows(folder, "full", wide("f"))
        with pytest.raises(UserError, match="no file shows which users are train"):
            read_published(folder)

    def test_users_only_in_the_full_file_are_counted(self, folder: Path) -> None:
        write_contexts(folder, context("a", 1))
        write_rows(folder, "full", wide("f"), wide("a"))
        table, quirks = read_published(folder)
        assert users(table) == {"a": ("eval", [0, 1, 2, 3, 4])}
        assert quirks == Quirks(users_read=2, users_kept=1, users_unassigned=1)

    def test_domain_by_folder_where_the_records_do_not_know(self, folder: Path) -> None:
        write_contexts(folder, context("a", 1, dataset="nobody_knows"))
        assert read_published(folder)[0]["domain"][0].as_py() == "amazon_books"

    def test_domain_by_record_where_the_folder_does_not_know(self, tmp_path: Path) -> None:
        write_contexts(tmp_path / "mine", context("a", 1, dataset="amazon_automative"))
        assert read_published(tmp_path / "mine")[0]["domain"][0].as_py() == "amazon_automotive"

    def test_own_domain_and_size(self, folder: Path) -> None:
        small = (["x", "y"], [9.7, 1])
        write_contexts(folder, context("a", 1, dataset="own", w0=small, w1=small, w2=small))
        table, _ = read_published(folder, BOARD_GAMES, size=2)
        assert table["domain"][0].as_py() == "board_games"

    def test_byte_order_mark_crlf_and_odd_line_separators(self, folder: Path) -> None:
        odd = (["Nest\u2028Two\x85", *window("a", 0)[0][1:]], window("a", 0)[1])
        line = json.dumps(context("a", 1, w0=odd), ensure_ascii=False)
        path = folder / "test_iterations" / "test_iteration_1.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n\r\n")
        assert titles(read_published(folder)[0], "a", 0)[0] == "Nest Two"

    def test_find_published(self, tmp_path: Path) -> None:
        write_contexts(tmp_path / "deep" / "amazon_book", context("a", 1))
        write_rows(tmp_path / "food_com", "train", wide("t"))
        (tmp_path / "empty").mkdir()
        assert find_published(tmp_path) == [tmp_path / "deep" / "amazon_book", tmp_path / "food_com"]
        assert find_published(tmp_path / "food_com") == [tmp_path / "food_com"]
        assert find_published(tmp_path / "empty") == []


class TestQuirks:
    def test_glued_titles_are_split(self, folder: Path) -> None:
        names, ratings = window("a", 1)
        glued = ([*names[:8], "Bread & Son, 1 Elm St', ''Ola, 2 Oak St"], ratings)
        write_contexts(folder, context("a", 1, w1=glued), context("a", 2, w1=glued))
        table, quirks = read_published(folder)
        assert titles(table, "a", 1) == [*names[:8], "Bread & Son, 1 Elm St", "'Ola, 2 Oak St"]
        assert quirks == Quirks(users_read=1, users_kept=1, windows_mended=1, glued_titles=1)

    def test_a_whole_window_is_not_split(self, folder: Path) -> None:
        names, ratings = window("a", 1)
        whole = ([*names[:9], "'One', ''Two' and Three"], ratings)
        write_contexts(folder, context("a", 1, w1=whole))
        table, quirks = read_published(folder)
        assert titles(table, "a", 1)[9] == "'One', ''Two' and Three"
        assert quirks.glued_titles == 0

    def test_vanishing_users_keep_the_run_from_the_first_window(self, folder: Path) -> None:
        for user, iterations in {"a": [1, 2, 3, 4], "late": [3, 4], "hole": [1, 3, 4], "short": [1]}.items():
            write_contexts(folder, *(context(user, k) for k in iterations))
        table, quirks = read_published(folder)
        assert users(table) == {
            "a": ("eval", [0, 1, 2, 3, 4, 5]),
            "hole": ("eval", [0, 1, 2, 3, 4, 5]),
            "short": ("eval", [0, 1, 2]),
        }
        assert quirks == Quirks(
            users_read=4,
            users_kept=3,
            users_dropped=1,
            users_vanishing=3,
            users_shortened=1,
            windows_dropped=4,
        )

    def test_windows_behind_a_gap_are_dropped(self, folder: Path) -> None:
        write_contexts(folder, context("a", 1), context("a", 5), context("b", 1))
        table, quirks = read_published(folder)
        assert users(table) == {"a": ("eval", [0, 1, 2]), "b": ("eval", [0, 1, 2])}
        assert (quirks.windows_dropped, quirks.users_vanishing) == (3, 1)

    def test_csv_mends_vanished_users(self, folder: Path) -> None:
        write_contexts(folder, context("late", 3), context("late", 4))
        write_rows(folder, "test", wide("late"))
        assert users(read_published(folder)[0]) == {"late": ("eval", [0, 1, 2, 3, 4, 5])}

    def test_csv_titles_go_before_those_of_contexts(self, folder: Path) -> None:
        names, ratings = window("a", 1)
        lossy, true = ([*names[:9], "Young'Heart 'x'"], ratings), ([*names[:9], 'Young@Heart "x"'], ratings)
        write_contexts(folder, context("a", 1, w1=lossy), context("a", 2, w1=lossy))
        write_rows(folder, "test", wide("a", w1=true))
        table, quirks = read_published(folder)
        assert titles(table, "a", 1)[9] == 'Young@Heart "x"'
        assert quirks == Quirks(users_read=1, users_kept=1, restored_titles=1)

    def test_zeros_stay_and_are_counted(self, tmp_path: Path) -> None:
        folder = tmp_path / "food_com"
        zeros = (window("a", 1)[0], [0, 0, *[5] * 8])
        write_contexts(folder, context("a", 1, dataset="food_com", w1=zeros))
        table, quirks = read_published(folder)
        assert [item["rating"] for item in table.to_pylist()[1]["items"]] == [0, 0, *[5] * 8]
        assert quirks.unrated == 2

    def test_titles_are_cleaned_and_counted(self, folder: Path) -> None:
        odd = [
            "Unknown",
            "",
            "Unknown",
            "Ink &quot;A&quot;",
            "soft\u00adhyphen",
            " ends ",
            "Two  blanks",
            "Twice",
            "Twice",
            "Moth",
        ]
        write_contexts(folder, context("a", 1, w0=(odd, window("a", 0)[1])))
        table, quirks = read_published(folder)
        assert titles(table, "a", 0) == [
            "Unknown",
            "",
            "Unknown",
            'Ink "A"',
            "softhyphen",
            "ends",
            "Two blanks",
            "Twice",
            "Twice",
            "Moth",
        ]
        assert quirks == Quirks(
            users_read=1,
            users_kept=1,
            unknown_titles=3,
            entities=1,
            hidden_characters=1,
            blanks=2,
            repeated_titles=1,
        )

    def test_a_repeated_record_is_counted(self, folder: Path) -> None:
        write_contexts(folder, context("a", 1), context("a", 1))
        assert read_published(folder)[1].repeated_records == 1


def _without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.pop(key)


def _with(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update({key: value})


class TestBadContexts:
    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (_without("id"), "no 'id'"),
            (_without("iteration"), "no 'iteration'"),
            (_without("dataset_name"), "no 'dataset_name'"),
            (_without("U1"), "no 'U1'"),
            (_without("I3"), "no 'I3'"),
            (_with("id", 7), "'id' is not text"),
            (_with("id", " "), "'id' is empty"),
            (_with("id", "a\ud800"), "lone surrogate"),
            (_with("iteration", 0), "'iteration' is not a whole number"),
            (_with("iteration", True), "'iteration' is not a whole number"),
            (_with("U1", [4.0] * 9), "10 titles and 9 ratings"),
            (_with("I1", ["x"] * 11), "11 titles and 10 ratings"),
            (_with("I1", ["x"] * 9), "9 titles and 10 ratings"),
            (_with("I1", "x" * 10), "titles are not a list"),
            (_with("I1", [1] * 10), "titles are not a list of texts"),
            (_with("I1", ["x" * 10_001] * 10), "longer than 10,000"),
            (_with("U1", ["4"] * 10), "ratings are not a list of numbers"),
            (_with("U1", [True] * 10), "ratings are not a list of numbers"),
            (_with("U1", [4.5] * 10), r"4.5 is not on the scale of amazon_books \(1 to 5 by 1\)"),
            (_with("U1", [0] * 10), "0 is not on the scale"),
            (_with("U1", [float("nan")] * 10), "nan is not on the scale"),
            (_with("U1", [10**400] * 10), "is not on the scale"),
            (_with("U1", [2.0] * 10), "ratings of this window differ"),
            (_with("I1", ["other"] * 10), "titles of this window differ"),
        ],
    )
    def test_names_file_and_line(self, folder: Path, spoil: Callable[[dict[str, Any]], object], message: str) -> None:
        bad = context("a", 2)
        spoil(bad)
        directory = folder / "test_iterations"
        directory.mkdir(parents=True)
        good = "".join(json.dumps(context(user, 1)) + "\n" for user in "ab")
        (directory / "test_iteration_1.jsonl").write_text(good)
        (directory / "test_iteration_2.jsonl").write_text(json.dumps(context("b", 2)) + "\n" + json.dumps(bad))
        with pytest.raises(UserError, match=message) as caught:
            read_published(folder)
        assert f"{directory / 'test_iteration_2.jsonl'}, line 2" in caught.value.where

    @pytest.mark.parametrize(
        ("data", "message", "place"),
        [
            (b"", "the file is empty", ""),
            (b"\n \n", "the file is empty", ""),
            (b"[]", "holds no records", ""),
            (b'\n{"id": "a",', "not valid JSON", ", line 2"),
            (b"7\n", "not a JSON object", ", line 1"),
            (b'[\n{"id": 1},\n{]', "not valid JSON", ", line 3"),
            (b"[7]", "not a JSON object", ", record 1"),
            (b"[" * 100_000, "not valid JSON", ", line 1"),
            (b'{"id": ' + b"1" * 5000 + b"}", "not valid JSON", ", line 1"),
            ('\n{"id": "ä"}'.encode("latin-1"), "not in UTF-8", ", line 2"),
            ('{"id": "ä"}'.encode("utf-16"), "not in UTF-8", ", line 1"),
        ],
    )
    def test_bad_files(self, folder: Path, data: bytes, message: str, place: str) -> None:
        path = folder / "test_iterations" / "test_iteration_1.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        with pytest.raises(UserError, match=message) as caught:
            read_published(folder)
        assert caught.value.where == f"{path}{place}"

    def test_no_files(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no published files"):
            read_published(tmp_path)

    def test_no_user_with_a_first_window(self, folder: Path) -> None:
        write_contexts(folder, context("a", 3))
        with pytest.raises(UserError, match="no user has a window 0"):
            read_published(folder)

    def test_unknown_domain(self, tmp_path: Path) -> None:
        write_contexts(tmp_path / "what", context("a", 1, dataset="nobody_knows"))
        with pytest.raises(UserError, match="unknown domain 'nobody_knows'") as caught:
            read_published(tmp_path / "what")
        assert caught.value.where.endswith("test_iteration_1.jsonl, line 1")

    def test_two_domains_in_one_folder(self, folder: Path) -> None:
        write_contexts(folder, context("a", 1), context("b", 1, dataset="google_local_newyork"))
        with pytest.raises(UserError, match="mixes the domains"):
            read_published(folder)


class TestBadRows:
    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            ("{'items': ['x'", "not a Python literal"),
            ("__import__('os').getcwd()", "not a Python literal"),
            ("(" * 5000, "not a Python literal"),
            ("-" * 100_000 + "1", "not a Python literal"),
            ("{'items': []}", "the cell is not {'items'"),
            ("{'items': [], 'ratings': [], 'more': 1}", "the cell is not {'items'"),
            ("[1, 2]", "the cell is not {'items'"),
            ("{'items': ['x'], 'ratings': [1j]}", "not a list of numbers"),
            ("{'items': {'x'}, 'ratings': [1]}", "not a list of texts"),
            ("{'items': ['x'], 'ratings': [1]}", "1 titles and 1 ratings"),
            ("x" * (MAX_CELL_CHARACTERS + 1), "field larger than field limit"),
        ],
    )
    def test_bad_cells(self, folder: Path, cell: str, message: str) -> None:
        path = write_rows(folder, "train", wide("a"), wide("b") | {"windows_1": cell})
        with pytest.raises(UserError, match=message) as caught:
            read_published(folder)
        assert caught.value.where.startswith(f"{path}, line ")

    def test_a_long_literal_is_refused_unread(self) -> None:
        with pytest.raises(UserError, match="longer than 1,000,000"):
            parse_literal("[" * (MAX_CELL_CHARACTERS + 1), "here")

    def test_a_cell_above_the_csv_modules_own_limit_is_read(self, folder: Path) -> None:
        long = (["y" * 9000 + str(n) for n in range(10)], [5] * 10)
        cells = {f"w{k}": (long[0] * 2, long[1] * 2) for k in range(5)}
        write_rows(folder, "train", wide("a", **cells))
        assert len(repr(cells["w0"][0])) > 131_072
        assert users(read_published(folder, size=20)[0]) == {"a": ("train", [0, 1, 2, 3, 4])}

    @pytest.mark.parametrize("column", ["id", "dataset_name", "windows_0"])
    def test_missing_column(self, folder: Path, column: str) -> None:
        row = wide("a")
        del row[column]
        write_rows(folder, "train", row)
        with pytest.raises(UserError, match=f"no '{column}'"):
            read_published(folder)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("id,dataset_name,windows_0\n", "holds no records"),
            ("id,dataset_name,windows_0\na,amazon_book\n", "the row has 2 cells, the header 3"),
            ("id,id,windows_0\na,b,c\n", "two columns have the same name"),
            ('id,dataset_name,windows_0\na,"amazon_book\n', "not valid CSV"),
        ],
    )
    def test_bad_tables(self, folder: Path, text: str, message: str) -> None:
        path = write_rows(folder, "train", wide("a"))
        path.write_text(text)
        with pytest.raises(UserError, match=message) as caught:
            read_published(folder)
        assert str(path) in caught.value.where

    def test_a_user_in_both_splits(self, folder: Path) -> None:
        write_contexts(folder, context("a", 1))
        write_rows(folder, "train", wide("a"))
        with pytest.raises(UserError, match="user 'a' is in both splits"):
            read_published(folder)

    def test_csv_and_context_ratings_must_agree(self, folder: Path) -> None:
        write_contexts(folder, context("a", 1))
        write_rows(folder, "test", wide("a", w1=window("a", 1, rating=2.0)))
        with pytest.raises(UserError, match="ratings of this window differ"):
            read_published(folder)


SOME_TITLE = st.one_of(
    st.sampled_from(["Unknown", "", "'Ola", "a', ''b", 'Say "No"', "{x}", "a,b\nc", "Mü\u2028"]),
    st.text(max_size=20),
)


@st.composite
def window_tables(draw: st.DrawFn) -> pa.Table:
    """WINDOW tables of Food.com such as reading gives them: clean titles, item keys that are titles."""
    rows: list[dict[str, object]] = []
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4, unique=True))
    for user in names:
        split = draw(st.sampled_from(["train", "eval"]))
        for k in range(draw(st.integers(1, 5))):
            named = [clean_title(title) for title in draw(st.lists(SOME_TITLE, min_size=10, max_size=10))]
            items = [
                {
                    "item": title,
                    "title": title,
                    "categories": [],
                    "rating": float(draw(st.integers(0, 5))),
                    "time": None,
                }
                for title in named
            ]
            rows.append({"user": user, "domain": "food_com", "split": split, "k": k, "items": items})
    rows.sort(key=lambda row: (row["domain"], row["split"], row["user"], row["k"]))
    return pa.Table.from_pylist(rows, schema=WINDOW)


class TestWriting:
    @settings(max_examples=25, deadline=None)
    @given(window_tables())
    def test_reading_gives_back_what_was_written(
        self, tmp_path_factory: pytest.TempPathFactory, table: pa.Table
    ) -> None:
        folder = tmp_path_factory.mktemp("written") / "any name"
        write_published(table, folder)
        again, quirks = read_published(folder)
        assert again.equals(table)
        assert quirks.users_read == quirks.users_kept == len(users(table))

    def test_contexts_alone_give_back_eval_users(self, folder: Path, tmp_path: Path) -> None:
        write_contexts(folder, *(context(user, k) for user in "ab" for k in (1, 2, 3)))
        table, _ = read_published(folder)
        write_published(table, tmp_path / "out")
        (tmp_path / "out" / "split_data" / "test_dataset.csv").unlink()
        assert read_published(tmp_path / "out")[0].equals(table)
        written = [record for _, record in json_records(tmp_path / "out/test_iterations/test_iteration_2.jsonl")]
        assert [list(record) for record in written] == [list(context("a", 2))] * 2

    def test_own_domain_with_a_fine_scale(self, tmp_path: Path) -> None:
        items = [
            {"item": "x", "title": "x", "categories": [], "rating": rating, "time": None} for rating in (9.7, 0.1 + 1)
        ]
        row = {"user": "u", "domain": "board_games", "split": "train", "k": 0, "items": items}
        table = pa.Table.from_pylist([row], schema=WINDOW)
        write_published(table, tmp_path / "out", BOARD_GAMES)
        assert "'ratings': [9.7, 1.1]" in (tmp_path / "out/split_data/train_dataset.csv").read_text()
        assert read_published(tmp_path / "out", BOARD_GAMES, size=2)[0].equals(table)

    def test_a_used_folder_is_refused_and_left_alone(self, folder: Path) -> None:
        write_contexts(folder, context("a", 1))
        table, _ = read_published(folder)
        with pytest.raises(UserError, match="folder is not empty"):
            write_published(table, folder)
        assert [path.name for path in folder.iterdir()] == ["test_iterations"]

    def test_nothing_half_written(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_contexts(folder, context("a", 1))
        write_rows(folder, "train", wide("t"))
        table, _ = read_published(folder)
        synced: list[int] = []

        def full_disk(descriptor: int) -> None:
            synced.append(descriptor)
            if len(synced) == 2:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full_disk)
        with pytest.raises(UserError, match="cannot be written .No space left"):
            write_published(table, tmp_path / "out")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["amazon_book"]

    @pytest.mark.parametrize(("k", "message"), [(1, "without a gap"), (0, "several domains")])
    def test_refuses(self, tmp_path: Path, k: int, message: str) -> None:
        rows = [
            {"user": "u", "domain": domain, "split": "train", "k": k, "items": []}
            for domain in ("food_com", "google_local")
        ]
        with pytest.raises(UserError, match=message):
            write_published(pa.Table.from_pylist(rows, schema=WINDOW), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_refuses_an_empty_table(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no windows to write"):
            write_published(WINDOW.empty_table(), tmp_path / "out")


@cache
def read_once(folder: Path) -> tuple[pa.Table, Quirks]:
    return read_published(folder)


class TestRecords:
    def test_a_context_round_trips_with_unknown_keys(self) -> None:
        record = context("a", 3, w2=(["only one"], [1, 2.5])) | {"note": ["kept"]}
        assert format_context(parse_context(record, "here")) == record

    def test_a_wide_row_round_trips(self) -> None:
        row = wide("a", w1=(["'Ola\\", "say \"x\" 'y'"], [4, 4.0])) | {"windows_3": ""}
        assert format_wide(parse_wide(row, "here"), 5) == row

    @given(
        st.lists(st.text()),
        st.lists(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))),
    )
    def test_a_literal_round_trips(self, names: list[str], ratings: list[float]) -> None:
        literal = format_literal(RawWindow(tuple(names), tuple(ratings)))
        assert format_literal(parse_literal(literal, "here")) == literal


@pytest.mark.published
@pytest.mark.skipif(not REAL_FOLDERS, reason="no published files at ../shared/data/published")
@pytest.mark.parametrize("real", REAL_FOLDERS, ids=lambda folder: folder.name)
class TestRealFiles:
    def test_every_record_round_trips(self, real: Path) -> None:
        for path in sorted(real.glob("test_iterations/*.jsonl")):
            records = [parse_context(record, where) for where, record in json_records(path)]
            assert "".join(json_line(format_context(record)) for record in records) == path.read_text("utf-8")
        for path in sorted(real.glob("split_data/*.csv")):
            wide_records = [parse_wide(row, where) for where, row in csv_rows(path)]
            text = csv_text([format_wide(record, 5) for record in wide_records])
            assert text == path.read_bytes().decode("utf-8")

    def test_nobody_is_lost_silently_and_windows_round_trip(self, real: Path, tmp_path: Path) -> None:
        table, quirks = read_once(real)
        ids = {str(record["id"]) for path in real.glob("test_iterations/*") for _, record in json_records(path)}
        ids |= {row["id"] for path in real.glob("split_data/*") for _, row in csv_rows(path)}
        assert quirks.users_read == len(ids)
        assert quirks.users_kept == len(users(table))
        assert quirks.users_read == quirks.users_kept + quirks.users_dropped + quirks.users_unassigned
        write_published(table, tmp_path / "out")
        again, quirks_again = read_published(tmp_path / "out")
        assert again.equals(table)
        mended = ("entities", "hidden_characters", "blanks", "glued_titles", "windows_dropped")
        assert all(asdict(quirks_again)[name] == 0 for name in mended)

    def test_the_known_quirks_are_found(self, real: Path) -> None:
        table, quirks = read_once(real)
        name = real.name
        assert table["domain"].unique().to_pylist() == [find_domain(name).id]
        windows = {len(numbers) for split, numbers in users(table).values() if split == "eval"}
        if name == "google_local":
            assert max(windows) == 6
            assert quirks.users_dropped + quirks.users_shortened > 0
            assert quirks.glued_titles == quirks.windows_mended > 0
            assert quirks.users_vanishing > 0
        else:
            assert windows == {7}
            assert quirks.users_vanishing == quirks.users_dropped == quirks.glued_titles == 0
        assert (quirks.unrated > 0) == (name == "food_com")
        plain = ("food_com", "google_local", "movielens_20m", "amazon_clothing_shoes_and_jewelry")
        assert (quirks.entities > 0) == (name not in plain)
        assert (quirks.unknown_titles > 0) == (name not in plain)
        assert pc.unique(pc.list_value_length(table["items"])).to_pylist() == [10]
