import errno
import os
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pytest

from deeper.commands.evaluate.settings import Settings
from deeper.errors import UserError
from deeper.storage.run_folder import RunFolder

FIRST_VALUE = 24
"""Where, in a file of `TABLE`, the first page has its values."""
TABLE = pa.table({"user": ["ann", "bob"], "points": [[1.0, 2.0], []]})


def no_space(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_only(*_: Any, **__: Any) -> NoReturn:
    raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A folder that is bound to its settings."""
    new = RunFolder(tmp_path / "deep" / "run", Settings())
    new.bind()
    return new


def test_a_bound_folder_holds_the_resolved_settings_alone(folder: RunFolder) -> None:
    assert files(folder.path) == {"config.toml": Settings().to_toml().encode()}


def test_a_run_that_writes_nothing_leaves_the_folder_to_other_settings(tmp_path: Path) -> None:
    refused = RunFolder(tmp_path / "run", Settings(seed=1))
    assert not refused.path.exists()
    with pytest.raises(UserError, match="no server"), refused.held():
        raise UserError("no server")
    mended = RunFolder(tmp_path / "run", Settings(seed=2))
    with mended.held():
        mended.write_table("stage/one.parquet", TABLE)
    assert files(mended.path)["config.toml"] == Settings(seed=2).to_toml().encode()
    with pytest.raises(UserError, match="made with other settings"):
        RunFolder(tmp_path / "run", Settings(seed=1))


def test_a_run_that_has_not_started_leaves_the_folder_to_other_settings(tmp_path: Path) -> None:
    refused = RunFolder(tmp_path / "run", Settings(seed=1))
    with refused.held():
        refused.bind(has_started=False)
        refused.write_table("stage/one.parquet", TABLE)
    mended = RunFolder(tmp_path / "run", Settings(seed=2))
    with mended.held():
        mended.bind(has_started=False)
        assert mended.read_table("stage/one.parquet", TABLE.schema) == TABLE, "what fits is used"
        mended.bind()
    assert files(mended.path).keys() == {".lock", "config.toml", "stage/one.parquet"}
    assert files(mended.path)["config.toml"] == Settings(seed=2).to_toml().encode()
    with pytest.raises(UserError, match="made with other settings"):
        RunFolder(tmp_path / "run", Settings(seed=1))


def test_settings_that_another_process_bound_meanwhile_are_respected(tmp_path: Path) -> None:
    late, early = RunFolder(tmp_path / "run", Settings(seed=1)), RunFolder(tmp_path / "run", Settings(seed=2))
    early.write_table("stage/one.parquet", TABLE)
    with pytest.raises(UserError, match="made with other settings"):
        late.write_table("stage/one.parquet", TABLE)


def test_a_folder_around_is_bound_with_the_one_inside(tmp_path: Path) -> None:
    around, beside = RunFolder(tmp_path / "learnt", Settings()), RunFolder(tmp_path / "other", Settings())
    inside = RunFolder(tmp_path / "learnt" / "1" / "sample", Settings(seed=3))
    with around.held(), beside.held():
        with inside.held():
            assert RunFolder(around.path, Settings(seed=4)), "only empty folders were made so far"
            inside.write_table("stage/one.parquet", TABLE)
        assert around.has("config.toml") and not beside.has("config.toml")
    assert inside.has("config.toml")


def test_the_same_settings_open_it_again_and_leave_it_as_it_is(folder: RunFolder) -> None:
    folder.write_table("stage/one.parquet", TABLE)
    before = files(folder.path)
    again = RunFolder(folder.path, Settings())
    assert files(folder.path) == before
    assert again.has("stage/one.parquet")
    assert not again.has("stage/two.parquet")
    assert again.read_table("stage/one.parquet", TABLE.schema) == TABLE


def test_equal_tables_give_equal_files_whole_under_their_names(folder: RunFolder) -> None:
    folder.write_table("a.parquet", TABLE)
    folder.write_table("b/c.parquet", pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]).combine_chunks())
    found = files(folder.path)
    assert found.keys() == {"config.toml", "a.parquet", "b/c.parquet"}
    assert found["a.parquet"] == found["b/c.parquet"]


def test_a_path_that_looks_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "users=3", Settings())
    folder.write_table("a=1/x.parquet", TABLE)
    assert folder.read_table("a=1/x.parquet", TABLE.schema) == TABLE


def test_other_settings_are_refused_with_their_difference(folder: RunFolder) -> None:
    before = files(folder.path)
    with pytest.raises(UserError) as caught:
        RunFolder(folder.path, Settings(seed=5, methods=("refine",)))
    message = str(caught.value)
    assert str(folder.path) in message
    assert "seed = 5 (was 1)" in message
    assert 'methods = ["refine"] (was ["refine", "incremental_update"' in message
    assert "users" not in message
    assert "--out" in caught.value.do
    assert files(folder.path) == before


def test_settings_of_another_version_are_refused_with_their_difference(folder: RunFolder) -> None:
    config = folder.path / "config.toml"
    lines = config.read_text("utf-8").splitlines()
    config.write_text("\n".join(["mood = 3", *lines]), "utf-8")
    with pytest.raises(UserError) as caught:
        RunFolder(folder.path, Settings())
    assert caught.value.what.endswith("other settings: mood = null (was 3)")


def test_a_run_that_is_older_than_a_setting_has_its_default(folder: RunFolder) -> None:
    config = folder.path / "config.toml"
    config.write_text("\n".join(config.read_text("utf-8").splitlines()[:-1]), "utf-8")
    assert "seed" not in config.read_text("utf-8")
    RunFolder(folder.path, Settings())
    with pytest.raises(UserError, match=r"other settings: seed = 2 \(was 1\)"):
        RunFolder(folder.path, Settings(seed=2))


@pytest.mark.parametrize("content", [b"\xff\x00", b"no toml"])
def test_settings_that_cannot_be_read_are_named(folder: RunFolder, content: bytes) -> None:
    (folder.path / "config.toml").write_bytes(content)
    with pytest.raises(UserError, match="settings of the run cannot be read") as caught:
        RunFolder(folder.path, Settings())
    assert "config.toml" in caught.value.where


def test_a_folder_that_is_no_run_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious", "utf-8")
    with pytest.raises(UserError, match="not empty and holds no run"):
        RunFolder(tmp_path, Settings())
    with pytest.raises(UserError, match="not empty and holds no run"):
        RunFolder(tmp_path / "thesis.txt", Settings())
    assert files(tmp_path) == {"thesis.txt": b"precious"}


def test_a_crash_while_the_settings_were_written_does_not_block_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".config.toml.123.part").write_bytes(b"us")
    folder = RunFolder(tmp_path, Settings())
    with folder.held():
        folder.bind()
    assert files(tmp_path).keys() == {"config.toml", ".lock"}


@pytest.mark.parametrize("what", ["fsync", "replace", "open"])
@pytest.mark.parametrize("error", [no_space, read_only])
def test_a_full_or_read_only_disk_is_said_and_leaves_nothing_half_written(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, what: str, error: Any
) -> None:
    folder.write_table("stage/one.parquet", TABLE)
    before = files(folder.path)
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace"), "open": (Path, "open")}[what], error)
    writes = {
        "stage/one.parquet": lambda: folder.write_table("stage/one.parquet", TABLE.slice(1)),
        "stage/two.parquet": lambda: folder.write_table("stage/two.parquet", TABLE),
        "results.json": lambda: folder.write_json("results.json", {"a": 1}),
    }
    for name, write in writes.items():
        with pytest.raises(UserError, match="cannot be written") as caught:
            write()
        assert caught.value.where == str(folder.path / name)
        assert "free space" in caught.value.do
    monkeypatch.undo()
    assert files(folder.path) == before


@pytest.mark.parametrize("error", [no_space, read_only])
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any) -> None:
    monkeypatch.setattr(Path, "mkdir", error)
    folder = RunFolder(tmp_path / "run", Settings())
    with pytest.raises(UserError, match="cannot be written") as caught, folder.held():
        pass
    assert caught.value.where == str(tmp_path / "run")
    assert not files(tmp_path)


def test_a_write_that_is_killed_leaves_the_old_file(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("note.txt", "old")

    def killed(_: int) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.write_text("note.txt", "new")
    assert (folder.path / "note.txt").read_text("utf-8") == "old"


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "zeros", "gone", "flipped", "other"])
def test_a_damaged_table_is_said_with_what_to_do(folder: RunFolder, damage: str) -> None:
    folder.write_table("stage/one.parquet", TABLE)
    path = folder.path / "stage" / "one.parquet"
    whole = path.read_bytes()
    contents = {"empty": b"", "cut": whole[:-7], "garbage": b"PAR1 no table PAR1", "zeros": bytes(len(whole))}
    # One bit of a value, which the checksum of its page tells; and sound Parquet of another table.
    contents["flipped"] = whole[:FIRST_VALUE] + bytes([whole[FIRST_VALUE] ^ 1]) + whole[FIRST_VALUE + 1 :]
    folder.write_table("stage/other.parquet", pa.table({"other": [1]}))
    contents["other"] = (folder.path / "stage" / "other.parquet").read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(contents[damage])
    with pytest.raises(UserError, match="damaged") as caught:
        folder.read_table("stage/one.parquet", TABLE.schema)
    assert caught.value.where == str(path)
    assert "delete the file" in caught.value.do


def test_numbers_that_json_lacks_are_refused(folder: RunFolder) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_json("results.json", {"mae": float("nan")})
    assert not folder.has("results.json")


def test_two_processes_cannot_run_in_one_folder(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "run", Settings()), RunFolder(tmp_path / "run", Settings())
    with first.held(), pytest.raises(UserError, match="another process is running"), second.held():
        pass
    with second.held():
        second.bind()
    assert second.has("config.toml")


def test_what_a_killed_process_left_half_written_is_swept_up(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", Settings())
    left = tmp_path / "run" / "update-1" / ".00000.parquet.123.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with folder.held():
        assert not left.exists()


def test_a_folder_that_cannot_be_locked_is_the_users_error(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", Settings())
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written"), folder.held():
        pass
