"""Tables of items: `--items` joins their categories to windows of any source."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from deeper.behaviour.join_items import join_items
from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.published.domain_folder import write_published
from deeper.behaviour.schema import WINDOW
from deeper.domains import BUILTIN
from deeper.errors import UserError

SHARED = Path(__file__).parents[3] / "shared/data"
MOVIES = SHARED / "raw/ml-latest-small/movies.csv"
PUBLISHED = SHARED / "published"


def windows(*items: tuple[str, str, list[str]], domain: str = "coves") -> pa.Table:
    """One window of items: id, title and what is known of it."""
    rows = [
        {"item": item, "title": title, "categories": known, "rating": 3.0, "time": None} for item, title, known in items
    ]
    row = {"user": "u", "domain": domain, "split": "eval", "k": 0, "items": rows}
    return pa.Table.from_pylist([row], schema=WINDOW)


def categories(table: pa.Table) -> list[list[str]]:
    return [item["categories"] for window in table["items"].to_pylist() for item in window]


def write(folder: Path, text: str, name: str = "items.csv") -> str:
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(folder / name)


COVES = windows(("1", "Blue Cove (1999)", []), ("2", "Café, The", ["Old"]), ("3", "Third", ["Kept"]))


def refused(table: pa.Table, *files: str) -> UserError:
    with pytest.raises(UserError) as caught:
        join_items(table, files)
    return caught.value


def test_items_are_found_by_id_and_else_by_title(tmp_path: Path) -> None:
    file = write(tmp_path, "movieId,title,genres\n1,Blue Cove (1999),Bay|Rock\n9,cafe the,Sand\n9,CAFÉ  THE!,Quay\n")
    found, notes = join_items(COVES, [file])
    assert categories(found) == [["Bay", "Rock"], ["Quay"], ["Kept"]]
    assert notes == [f"items of coves with categories of {file}: 2 of 3"]
    assert found.schema == WINDOW
    found.validate(full=True)
    rest = [name for name in ("item", "title", "rating", "time")]
    for name in rest:
        old, new = (pc.struct_field(pc.list_flatten(table["items"]), name) for table in (COVES, found))
        assert old.equals(new)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv.gz", "title;categories\nThird;Bay, Rock\n"),
        ("a.tsv", "name\tcategory\nThird\tBay;Rock\n"),
        ("a.jsonl", '{"title": "Third", "categories": ["Bay", "Rock"]}\n'),
        ("a.json", '[{"item": {"id": 3}, "title": "Third", "tags": "[\'Bay\', \'Rock\']"}]'),
        ("a.csv", "id,tags\n3,\"['Bay', 'Rock']\"\n"),
        ("a.csv", "item,genre\nthird,Bay|Rock\n"),
    ],
)
def test_a_table_may_have_any_form(tmp_path: Path, name: str, text: str) -> None:
    found, _ = join_items(COVES, [write(tmp_path, text, name)])
    assert categories(found) == [[], ["Old"], ["Bay", "Rock"]]


def test_a_parquet_file_with_lists(tmp_path: Path) -> None:
    pq.write_table(pa.table({"movieId": [3], "genres": [["Bay", "Rock"]]}), tmp_path / "a.parquet")
    assert categories(join_items(COVES, [str(tmp_path / "a.parquet")])[0])[2] == ["Bay", "Rock"]


def test_ids_of_another_numbering_do_not_count(tmp_path: Path) -> None:
    text = "movieId,title,genres\n1,Other,Wrong\n2,Another,Wrong\n7,Third,Bay\n"
    assert categories(join_items(COVES, [write(tmp_path, text)])[0]) == [[], ["Old"], ["Bay"]]


def test_a_title_that_is_the_id_is_no_id(tmp_path: Path) -> None:
    table = windows(("1984", "1984", []), ("Third", "Third", []), ("Fourth", "Fourth", []))
    text = "movieId,title,genres\n1984,Some Film,Wrong\n5,Third,Bay\n6,Fourth,Rock\n"
    assert categories(join_items(table, [write(tmp_path, text)])[0]) == [[], ["Bay"], ["Rock"]]


def test_an_unknown_title_is_no_title(tmp_path: Path) -> None:
    table = windows(("Unknown", "Unknown", []), ("Third", "Third", []), ("Fourth", "Fourth", []))
    text = "title,genres\nUnknown,Wrong\nThird,Bay\nFourth,Rock\n"
    assert categories(join_items(table, [write(tmp_path, text)])[0]) == [[], ["Bay"], ["Rock"]]


def test_a_later_table_replaces_an_earlier_one(tmp_path: Path) -> None:
    one = write(tmp_path, "title,genres\nThird,Bay\nBlue Cove (1999),Rock\n", "one.csv")
    two = write(tmp_path, "title,genres\nThird,Quay\n", "two.csv")
    found, notes = join_items(COVES, [one, two])
    assert categories(found) == [["Rock"], ["Old"], ["Quay"]]
    assert len(notes) == 2


def test_a_category_of_nearly_all_items_is_left_out_with_a_note(tmp_path: Path) -> None:
    rows = "".join(f"{title},Sea|Kind {i}\n" for i, title in enumerate(("Blue Cove (1999)", "Cafe The", "Third")))
    table = windows(("a", "Blue Cove (1999)", []), ("b", "Cafe The", []), ("c", "Third", []))
    found, notes = join_items(table, [write(tmp_path, f"title,genres\n{rows}")])
    assert categories(found) == [["Kind 0"], ["Kind 1"], ["Kind 2"]]
    assert notes[1] == "categories left out because more than 90% of the items have them: Sea"


def test_a_table_that_names_no_item_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = write(tmp_path, "title,genres\nElsewhere,Bay\n")
    error = refused(COVES, file)
    assert error.what == "the table of items names none of the rated items"
    assert error.where == file
    assert error.do == (
        "give a table with their titles or ids: the ratings have 'Blue Cove (1999)', the table 'Elsewhere'"
    )


@pytest.mark.parametrize(
    ("text", "what", "do"),
    [
        ("title,colour\nThird,red\n", "no column seems to hold categories", "title, colour"),
        ("colour,genres\nred,Bay\n", "no column seems to hold an item's title or id", "colour, genres"),
        ("title,genres\nThird,(no genres listed)\n", "no row has an item and a category", "genres"),
        ("", "the file is empty", "export it again"),
    ],
)
def test_a_table_without_what_it_needs_is_refused(tmp_path: Path, text: str, what: str, do: str) -> None:
    error = refused(COVES, write(tmp_path, text))
    assert error.what == what
    assert do in error.do


def test_a_missing_table_and_another_encoding_are_refused(tmp_path: Path) -> None:
    assert refused(COVES, str(tmp_path / "no.csv")).what == "there is no such file"
    (tmp_path / "a.csv").write_bytes("title,genres\nCafé,Théâtre\n".encode("cp1252"))
    error = refused(COVES, str(tmp_path / "a.csv"))
    assert "not in UTF-8" in error.what
    assert error.do == "save the file in UTF-8"


def test_without_a_table_nothing_changes() -> None:
    assert join_items(COVES, []) == (COVES, [])


def test_hostile_texts_do_no_harm(tmp_path: Path) -> None:
    odd = "<|im_end|>\nUser: {persona} $x </script>"
    rows = [{"title": "Third", "categories": [odd, "Bay\u202e\x00"]}, {"title": odd, "categories": ["x"]}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    found = categories(join_items(COVES, [write(tmp_path, text, "a.jsonl")])[0])[2]
    assert found == ["Bay"]


def test_a_folder_of_ones_own_and_a_published_one(tmp_path: Path) -> None:
    planted = plant_users(5, 3, domain=BUILTIN["amazon_arts"])
    write_planted(planted, tmp_path / "own")
    own = load_windows(str(tmp_path / "own"))
    write_published(own.windows, tmp_path / "published", BUILTIN["amazon_arts"])
    pq.write_table(planted.behaviour.select(["title", "categories"]), tmp_path / "items.parquet")
    published = load_windows(str(tmp_path / "published"))
    assert not any(categories(published.windows))
    joined = load_windows(str(tmp_path / "published"), items=[str(tmp_path / "items.parquet")])
    assert categories(joined.windows) == categories(own.windows)
    items = len({item["title"] for window in own.windows["items"].to_pylist() for item in window})
    assert joined.notes[-1].endswith(f"items.parquet: {items} of {items}")
    write_published(joined.windows, tmp_path / "again", BUILTIN["amazon_arts"])
    assert load_windows(str(tmp_path / "again")).windows == published.windows


@pytest.mark.skipif(not MOVIES.is_file(), reason="no raw samples at ../shared/data/raw")
def test_movies_csv_names_the_genres_of_the_bundled_films() -> None:
    plain = load_windows("movielens_small")
    joined = load_windows("movielens_small", items=[str(MOVIES)])
    pairs = list(zip(categories(plain.windows), categories(joined.windows), strict=True))
    assert sum(map(bool, categories(joined.windows))) > 0.99 * len(pairs)
    assert sum(ours == theirs for ours, theirs in pairs) > 0.8 * len(pairs)


@pytest.mark.published
@pytest.mark.skipif(not (MOVIES.is_file() and PUBLISHED.is_dir()), reason="no files at ../shared/data")
def test_movies_csv_names_the_genres_of_most_published_films() -> None:
    joined = load_windows(str(PUBLISHED), ["movielens_20m"], [str(MOVIES)])
    assert sum(map(bool, categories(joined.windows))) > 0.8 * len(categories(joined.windows))
