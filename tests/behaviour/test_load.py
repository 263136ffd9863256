import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.published.domain_folder import write_published
from deeper.behaviour.published.hub_contexts import write_hub
from deeper.behaviour.schema import WINDOW
from deeper.domains import BUILTIN
from deeper.errors import UserError

PUBLISHED = Path(__file__).parents[3] / "shared/data/published"


def published(folder: Path, domain: str, users: int = 4) -> Path:
    """A domain in the published layout, of planted users."""
    planted = plant_users(users, 4, 3, BUILTIN[domain])
    write_planted(planted, folder.with_name(f"{folder.name}-own"))
    windows = load_windows(str(folder.with_name(f"{folder.name}-own"))).windows
    write_published(windows, folder, BUILTIN[domain])
    return folder


def test_bundled() -> None:
    loaded = load_windows("movielens_small")
    assert loaded.windows.num_rows == 338 * 7
    assert loaded.domains == {"movielens_small": BUILTIN["movielens_small"]}
    assert loaded.notes == []
    assert loaded.source.startswith("movielens_small, sha256 ")


def test_own_folder(tmp_path: Path) -> None:
    planted = plant_users(5, 3)
    write_planted(planted, tmp_path / "own")
    loaded = load_windows(str(tmp_path / "own"))
    assert loaded.windows.num_rows == 15
    assert loaded.domains == {"planted": planted.domain}
    assert loaded.source == str(tmp_path / "own")


def test_published_domain_folder_and_its_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    arts = published(tmp_path / "arts", "amazon_arts").rename(tmp_path / "root/amazon_art_crafts_and_sewing")
    published(tmp_path / "books", "amazon_books").rename(tmp_path / "root/amazon_book")
    one = load_windows(str(arts))
    assert list(one.domains) == ["amazon_arts"]
    assert one.windows.num_rows == 16
    both = load_windows(str(tmp_path / "root"))
    assert list(both.domains) == ["amazon_arts", "amazon_books"]
    assert both.windows.schema.equals(WINDOW)
    assert both.windows.slice(0, 16).equals(one.windows)
    keys = [both.windows[name].to_pylist() for name in ("domain", "split", "user", "k")]
    rows = list(zip(*keys, strict=True))
    assert rows == sorted(rows)
    for name in ("amazon_books", "amazon_book"):
        kept = load_windows(str(tmp_path / "root"), [name])
        assert list(kept.domains) == ["amazon_books"]
        assert kept.windows.equals(both.windows.slice(16))


def test_a_domain_that_is_not_wanted_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    published(tmp_path / "arts", "amazon_arts").rename(tmp_path / "root/amazon_art_crafts_and_sewing")
    broken = tmp_path / "root/amazon_book/test_iterations/test_iteration_1.jsonl"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}\n")
    assert list(load_windows(str(tmp_path / "root"), ["amazon_arts"]).domains) == ["amazon_arts"]
    with pytest.raises(UserError, match="test_iteration_1.jsonl, line 1"):
        load_windows(str(tmp_path / "root"))


def test_one_domain_in_two_folders(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    published(tmp_path / "arts", "amazon_arts").rename(tmp_path / "root/a")
    published(tmp_path / "more", "amazon_arts").rename(tmp_path / "root/b")
    with pytest.raises(UserError, match="hold the same domain, amazon_arts"):
        load_windows(str(tmp_path / "root"))


def test_several_sources(tmp_path: Path) -> None:
    arts = published(tmp_path / "arts", "amazon_arts")
    both = load_windows(f"movielens_small, {arts}")
    assert list(both.domains) == ["amazon_arts", "movielens_small"]
    apart = [load_windows(str(arts)), load_windows("movielens_small")]
    assert both.windows.equals(pa.concat_tables(one.windows for one in apart).combine_chunks())
    assert both.source == ", ".join(one.source for one in reversed(apart))
    assert load_windows(f"{arts},movielens_small", ["movielens_small"]).windows.equals(apart[1].windows)
    with pytest.raises(UserError, match="no domain food_com") as caught:
        load_windows(f"{arts},movielens_small", ["food_com"])
    assert caught.value.do == "choose from amazon_arts, movielens_small"
    with pytest.raises(UserError, match=f"there is no such folder: {tmp_path / 'none'}"):
        load_windows(f"movielens_small,{tmp_path / 'none'}")


def test_a_folder_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    arts = published(tmp_path / "arts", "amazon_arts").rename(tmp_path / "movielens_small,arts")
    assert list(load_windows(str(arts)).domains) == ["amazon_arts"]


def test_a_user_who_is_there_twice(tmp_path: Path) -> None:
    write_planted(plant_users(5, 3), tmp_path / "one")
    write_planted(plant_users(5, 3), tmp_path / "two")
    with pytest.raises(UserError, match="of planted occurs twice") as caught:
        load_windows(f"{tmp_path / 'one'},{tmp_path / 'two'}")
    assert caught.value.where == f"{tmp_path / 'one'}, {tmp_path / 'two'}"


def test_hub_folder(tmp_path: Path) -> None:
    arts = load_windows(str(published(tmp_path / "arts", "amazon_arts")))
    write_hub(arts.windows, tmp_path / "hub")
    loaded = load_windows(str(tmp_path / "hub"))
    assert loaded.windows.equals(arts.windows)
    assert list(loaded.domains) == ["amazon_arts"]


def test_oddities_are_noted_with_counts(tmp_path: Path) -> None:
    # Two of the four users are eval users; the first two of their windows begin with an item without a title.
    folder = published(tmp_path / "arts", "amazon_arts")
    for path in sorted(folder.rglob("*.jsonl")):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            for key in ("I0", "I1"):
                if key in record:
                    record[key][0] = "Unknown"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "split_data/test_dataset.csv").unlink()
    assert load_windows(str(folder)).notes == ['arts: titles that are empty or "Unknown": 4']


@pytest.mark.parametrize("data", ["movielens_smal", "no/such/folder"])
def test_no_such_folder(data: str) -> None:
    with pytest.raises(UserError, match=f"there is no such folder: {data}") as caught:
        load_windows(data)
    assert "movielens_small (the bundled data)" in caught.value.do


def test_unknown_layout(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n")
    with pytest.raises(UserError, match="in no known layout") as caught:
        load_windows(str(tmp_path))
    for layout in ("movielens_small", "behaviour.csv", "test_iterations/", "user_context_test/"):
        assert layout in caught.value.do


@pytest.mark.parametrize("name", ["food_com", "nonsense"])
def test_a_domain_that_the_data_lacks(tmp_path: Path, name: str) -> None:
    folder = published(tmp_path / "arts", "amazon_arts")
    for data in ("movielens_small", str(folder), str(tmp_path / "arts-own")):
        with pytest.raises(UserError, match=f"no domain {name}") as caught:
            load_windows(data, [name])
        assert caught.value.do in ("choose from movielens_small", "choose from amazon_arts")


@pytest.mark.published
def test_the_published_files() -> None:
    if not PUBLISHED.is_dir():
        pytest.skip("the published files are not beside the checkout (../shared/data/published)")
    loaded = load_windows(str(PUBLISHED))
    assert set(loaded.domains) >= {"food_com", "google_local", "movielens_20m", "amazon_books"}
    assert any("glued titles" in note for note in loaded.notes)
    paths = PUBLISHED.glob("food_com/test_iterations/*.jsonl")
    published = {json.loads(line)["id"] for path in paths for line in path.open(encoding="utf-8")}
    food = loaded.windows.filter(pc.equal(loaded.windows["domain"], "food_com"))
    split = dict(zip(food["user"].to_pylist(), food["split"].to_pylist(), strict=True))
    assert {user for user, part in split.items() if part == "eval"} == published
    assert set(split.values()) == {"train", "eval"}
