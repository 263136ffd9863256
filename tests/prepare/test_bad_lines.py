"""Bad lines: which are, how many may be, and where they go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from deeper.behaviour.titles import clean_title
from deeper.errors import UserError

Run = Callable[..., dict[str, Any]]
SMALL = {"windows": 1, "train_users": 20, "eval_users": 10, "untitled": "keep"}
HEADER = "user_id,recipe_id,date,rating,review\n"


def food(folder: Path, lines: list[str]) -> Path:
    folder.mkdir()
    (folder / "RAW_interactions.csv").write_text(HEADER + "".join(lines), "utf-8")
    return folder


def rated(user: int, item: int, review: str = "good") -> str:
    return f"{user},{item},2012-03-{1 + item % 28:02},4,{review}\n"


def test_a_quote_that_is_never_closed_costs_its_own_line_only(run_prepare: Run, tmp_path: Path) -> None:
    lines = [rated(1, item, '"never closed' if item == 10 else "good") for item in range(30)]
    report = run_prepare("food_com", food(tmp_path / "raw", lines), tmp_path / "out", **SMALL)
    assert (report["lines"], report["rejected"], report["ratings"]["rows"]) == (30, 1, 29)
    [bad] = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    assert bad["line"] == 12


def test_a_file_that_is_cut_off_within_a_quote(run_prepare: Run, tmp_path: Path) -> None:
    lines = [*(rated(1, item) for item in range(20)), '1,20,2012-03-01,4,"cut o']
    report = run_prepare("food_com", food(tmp_path / "raw", lines), tmp_path / "out", **SMALL)
    assert (report["lines"], report["rejected"]) == (21, 1)


def test_a_few_bad_lines_never_stop_a_run_unless_none_may_be_bad(run_prepare: Run, tmp_path: Path) -> None:
    raw = food(tmp_path / "raw", [*(rated(1, item) for item in range(20)), *["1,2,never,4,x\n"] * 9])
    assert run_prepare("food_com", raw, tmp_path / "out", **SMALL)["rejected"] == 9
    with pytest.raises(UserError, match="9 of 29 lines are bad") as caught:
        run_prepare("food_com", raw, tmp_path / "strict", {"max_rejects": 0.0}, **SMALL)
    assert "line 22" in caught.value.where
    # All of them are there to be looked at.
    rejects = tmp_path / "strict" / "rejects.parquet"
    assert str(rejects) in caught.value.do
    assert pq.read_table(rejects)["line"].to_pylist() == list(range(22, 31))
    assert not (tmp_path / "strict" / "behaviour.parquet").exists()


@pytest.mark.parametrize("level", ["amp;", "#38;", "#x26;", "AMP;#0038;"])
def test_a_title_that_was_escaped_very_often_is_cleaned_as_one_of_ten(level: str) -> None:
    # Level by level this would take as long as all tests may.
    assert clean_title("A &" + level * 400_000 + "lt; B") == clean_title("A &" + level * 10 + "lt; B") == "A < B"
