"""Paths as users have them: below their home folder, and with names that are no UTF-8."""

import os
from pathlib import Path

import pytest
from command_line import SCRIPTED, CommandLine, rows

from deeper.commands.evaluate.settings import Settings
from deeper.errors import UserError
from deeper.storage.user_paths import with_home

RUN = ("--rounds", "0", *SCRIPTED)
ODD = os.fsdecode(b"na\xefve")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder with a file of ratings."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "x.csv").write_text("\n".join(["user,title,rating,time", *rows(2), ""]), "utf-8")
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_home_is_found_where_a_path_begins(home: Path) -> None:
    for text in ("~", "~/x", "embedded:~/x.gguf", "--out=~/run", "~/a,~/b"):
        assert with_home(text) == text.replace("~", str(home))
    for text in ("a~", "a/~/b", "x ~", "user=~name", "~nobody-of-this-name/x"):
        assert with_home(text) == text
    assert with_home(["~/a", 3, None]) == [f"{home}/a", 3, None]


def test_home_in_flags_and_in_the_configuration(deeper: CommandLine, home: Path) -> None:
    result = deeper("demo", "--ratings=~/x.csv", "--out=~/run", *RUN)
    assert result.code == 0, result.err
    assert (home / "run" / "report.html").is_file()
    Path("mine.toml").write_text('ratings = "~/x.csv"\n', "utf-8")
    assert deeper("demo", "--config", "mine.toml", "--out", "~/again", *RUN).code == 0
    assert deeper("report", "~/again").code == 0
    assert Settings(ratings="~/x.csv", columns=("user=user",)).ratings == f"{home}/x.csv"


def test_a_name_that_is_no_utf_8_is_refused_with_advice(deeper: CommandLine, home: Path) -> None:
    os.rename(home / "x.csv", home / f"{ODD}.csv")
    for words in (("demo", "--ratings", f"{home}/{ODD}.csv"), ("demo", "--out", ODD), ("report", ODD)):
        result = deeper(*words, *(RUN if words[0] == "demo" else ()))
        assert result.code == 2 and "not valid UTF-8" in result.err and "rename" in result.err
    with pytest.raises(UserError, match="not valid UTF-8"):
        Settings(ratings=f"{home}/{ODD}.csv")


def test_a_current_folder_whose_name_is_no_utf_8(
    deeper: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = home / ODD
    here.mkdir()
    monkeypatch.chdir(here)
    result = deeper("demo", "--ratings", str(home / "x.csv"), *RUN)
    assert "a bug in deeper" not in result.err
    assert result.code == 0 or (result.code == 2 and "rename" in result.err)


def test_a_file_inside_a_folder_whose_name_is_no_utf_8(deeper: CommandLine, home: Path) -> None:
    folder = home / "data" / ODD
    folder.mkdir(parents=True)
    (folder / "windows.parquet").write_bytes(b"PAR1")
    result = deeper("evaluate", "--data", str(home / "data"), *RUN)
    assert result.code == 2 and "a bug in deeper" not in result.err
