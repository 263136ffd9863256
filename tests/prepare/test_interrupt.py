"""Ctrl-C while the database works: the command ends at once, and says that it goes on."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deeper.cli import main as command_line
from deeper.prepare.database import database
from deeper.prepare.raw import text_records
from deeper.prepare.synth.raw_files import write_raw


def test_a_query_that_is_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), database(tmp_path / "spill", 1.0) as con:
        threading.Timer(0.2, con.interrupt).start()
        con.execute("SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3")


def test_a_file_whose_reading_is_interrupted_is_read_anew(
    tmp_path: Path, run_prepare: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_raw("movielens_20m", 5_000, tmp_path / "raw")
    small = {"windows": 2, "train_users": 20, "eval_users": 10}

    def interrupted(batches: Any) -> Any:
        yield next(batches)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(text_records, "read_ahead", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_prepare("movielens_20m", tmp_path / "raw", tmp_path / "out", **small)
    assert run_prepare("movielens_20m", tmp_path / "raw", tmp_path / "out", **small)["sampled"]["train"]


def test_errors_that_cause_each_other_are_looked_at_once() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert command_line._full_machine(one) is None
