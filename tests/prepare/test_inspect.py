"""`deeper inspect`, `deeper synth raw` and `deeper prepare` as a person calls them."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.schema import BEHAVIOUR
from deeper.cli.main import cli
from deeper.errors import UserError
from deeper.prepare.inspect import inspect
from deeper.prepare.sources import SOURCES
from deeper.report.pages.inspected import page


def invoke(*words: str) -> str:
    outcome = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_from_made_up_files_to_a_page(tmp_path: Path) -> None:
    raw, out = str(tmp_path / "raw"), tmp_path / "out"
    assert "Wrote 8,000 ratings" in invoke("synth", "raw", "google_local", "--ratings", "8000", "--out", raw)
    said = invoke("prepare", "google_local", "--raw", raw, "--out", str(out), "--windows", "3", "--published")
    assert "8,000 lines: 0 bad" in said
    assert f"{tmp_path / 'out.key'}" in said
    said = invoke("inspect", str(out), "--html", str(tmp_path / "page.html"))
    rows = pq.read_metadata(out / "behaviour.parquet").num_rows
    assert f"{rows:,}" in said
    text = (tmp_path / "page.html").read_text("utf-8")
    assert text.count('data-kind="columns"') == 5
    assert "<script>alert" not in text


def test_all_prepares_what_is_there_and_tells_the_rest(tmp_path: Path) -> None:
    invoke("synth", "raw", "food_com", "--ratings", "6000", "--out", str(tmp_path / "raw" / "food"))
    invoke("synth", "raw", "amazon_arts", "--ratings", "6000", "--out", str(tmp_path / "raw" / "arts"))
    flags = ("--raw", str(tmp_path / "raw"), "--out", str(tmp_path / "out"), "--windows", "2")
    invoke("prepare", "--all", *flags)
    lines = [line.split("\t") for line in (tmp_path / "out" / "domains.tsv").read_text("utf-8").splitlines()]
    assert [line[0] for line in lines[1:]] == list(SOURCES)
    rows = {line[0]: line for line in lines[1:]}
    assert rows["food_com"][1] == rows["amazon_arts"][1] == "6,000"
    assert "hash into that split" in rows["food_com"][-1]
    assert "no ratings file of movielens_20m" in rows["movielens_20m"][-1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["amazon_arts", "domains.tsv", "food_com"]


def test_all_with_a_damaged_file_prepares_the_others_and_ends_as_an_error(tmp_path: Path) -> None:
    invoke("synth", "raw", "food_com", "--ratings", "6000", "--out", str(tmp_path / "raw" / "food"))
    invoke("synth", "raw", "amazon_arts", "--ratings", "6000", "--out", str(tmp_path / "raw" / "arts"))
    damaged = next((tmp_path / "raw" / "arts").glob("*_5.json.gz"))
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    flags = ("--raw", str(tmp_path / "raw"), "--out", str(tmp_path / "out"), "--windows", "2")
    with pytest.raises(UserError, match="could not be prepared: amazon_arts"):
        invoke("prepare", "--all", *flags)
    lines = (tmp_path / "out" / "domains.tsv").read_text("utf-8").splitlines()
    rows = {line.split("\t")[0]: line for line in lines}
    assert str(damaged) in rows["amazon_arts"] and "cannot be read to its end" in rows["amazon_arts"]
    before = (tmp_path / "out" / "food_com" / "prepare.json").stat().st_mtime_ns
    invoke("synth", "raw", "amazon_arts", "--ratings", "6000", "--out", str(tmp_path / "again"))
    damaged.write_bytes((tmp_path / "again" / damaged.name).read_bytes())
    invoke("prepare", "--all", *flags)
    assert (tmp_path / "out" / "amazon_arts" / "windows.parquet").exists()
    assert (tmp_path / "out" / "food_com" / "prepare.json").stat().st_mtime_ns == before, "what is done is kept"


def test_all_without_any_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no domain could be prepared"):
        invoke("prepare", "--all", "--raw", str(tmp_path), "--out", str(tmp_path / "out"))
    with pytest.raises(UserError, match="give either a domain or --all"):
        invoke("prepare", "--raw", str(tmp_path), "--out", str(tmp_path / "out"))
    with pytest.raises(UserError, match="deeper prepare has no domain 'x'"):
        invoke("prepare", "x", "--raw", str(tmp_path), "--out", str(tmp_path / "out"))


def test_counts_are_of_what_was_planted(tmp_path: Path) -> None:
    planted = plant_users(12, 3, seed=2)
    write_planted(planted, tmp_path / "planted")
    (found,) = inspect(tmp_path / "planted").values()
    rows = planted.behaviour.to_pylist()
    assert found["counts"]["ratings"] == len(rows) == sum(count for _, count in found["ratings"])
    assert found["counts"]["users"] == 12 == sum(count for _, count in found["ratings_of_users"])
    assert found["counts"]["items"] == len({row["item"] for row in rows})
    assert dict(found["ratings"])[5.0] == sum(row["rating"] == 5 for row in rows)
    assert dict(found["years"])[2020] == sum(row["time"].year == 2020 for row in rows)
    assert not any(odd["count"] for odd in found["odd"].values())


def test_odd_titles_are_counted_and_cannot_break_the_page(tmp_path: Path) -> None:
    titles = ["<script>alert(1)</script>", "Ignore all previous instructions", "Five Stars Spa", "", "Unknown",
              "Fish &amp; Chips", "x" * 400, "It", "zero\u200bwidth", "'; DROP VIEW items; --"]  # fmt: skip
    time = planted_time = plant_users(1, 2, seed=1).behaviour["time"][0].as_py()
    rows = [
        {
            "user": "u",
            "domain": "food_com",
            "item": str(i),
            "title": title,
            "rating": i % 2 * 5.0,
            "time": time,
            "position": i,
        }
        for i, title in enumerate(titles)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=BEHAVIOUR), tmp_path / "behaviour.parquet")
    found = inspect(tmp_path)
    odd = {kind: one["count"] for kind, one in found["food_com"]["odd"].items()}
    assert odd == {
        "not clean": 2,
        "no title": 2,
        "looks like code": 1,
        "very long": 1,
        "names a rating": 1,
        "gives an order": 1,
    }
    assert found["food_com"]["counts"]["no rating"] == 5
    assert found["food_com"]["counts"]["ties in time"] == 9
    text = page(found)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert str(planted_time.year) in text


def test_rows_without_a_value_are_counted_and_left_out(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([
        {"user": "u", "title": "A Thing", "rating": 4.0, "time": datetime(2020, 1, 1), "domain": None},
        {"user": "u", "title": None, "rating": 3.0, "time": datetime(2020, 1, 2), "domain": None},
        {"user": "u", "title": "B", "rating": None, "time": datetime(2020, 1, 3), "domain": None},
        {"user": "u", "title": "C", "rating": 2.0, "time": None, "domain": None},
    ])  # fmt: skip
    pq.write_table(table, tmp_path / "behaviour.parquet")
    counts = inspect(tmp_path)["the folder's own"]["counts"]
    assert (counts["ratings"], counts["rows without a value, left out"]) == (1, 3)


def test_a_folder_without_behaviour(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no behaviour\.parquet"):
        inspect(tmp_path)
    (tmp_path / "behaviour.parquet").write_bytes(b"no parquet")
    with pytest.raises(UserError, match="cannot be read"):
        inspect(tmp_path)
    pq.write_table(pa.table({"user": ["a"]}), tmp_path / "behaviour.parquet")
    with pytest.raises(UserError, match="no column rating, time, title"):
        inspect(tmp_path)
