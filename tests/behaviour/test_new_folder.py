import os

import pytest

from deeper.errors import UserError
from deeper.storage.new_folder import new_folder


def write(folder):
    with new_folder(folder) as staging:
        assert not folder.exists() or not any(folder.iterdir())
        (staging / "inner").mkdir()
        (staging / "inner" / "a.txt").write_text("a")


@pytest.mark.parametrize("there", [False, True])
def test_a_new_folder_appears_whole_and_synced(tmp_path, monkeypatch, there):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    if there:
        (tmp_path / "out").mkdir()
    write(tmp_path / "out")
    assert (tmp_path / "out/inner/a.txt").read_text() == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(synced) == 1


def test_the_present_folder_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    write(type(tmp_path)("."))
    assert (tmp_path / "out/inner/a.txt").read_text() == "a"


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, monkeypatch, place):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (type(tmp_path), "replace")}[place], full)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\)") as caught:
        write(tmp_path / "out")
    assert caught.value.where == str(tmp_path / "out") and caught.value.do
    assert list(tmp_path.iterdir()) == []


def test_another_error_passes_and_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "out") as staging:
        (staging / "a.txt").write_text("a")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
