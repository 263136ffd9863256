"""Every case ends with one message that says what was wrong, where, and what to do; and nothing half-written."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest
from command_line import HEADER, SCRIPTED, CommandLine, Result, rows, write_data


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_one_message(result: Result, *parts: str) -> None:
    """The user's error: one message with what to do, in words."""
    assert result.code == 2, result
    assert result.out == ""
    assert result.err.count("deeper: ") == 1, result.err
    assert "Traceback" not in result.err
    message = result.err[result.err.index("deeper: ") :]
    for part in parts:
        assert part in message
    [what, do] = message.strip().split("\n")
    assert what.endswith(".")
    assert do.startswith("  → ")
    assert len(do) > 12


GOOD = rows()
DATA: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "missing column": (
        lambda folder: write_data(folder, [line.rpartition(",")[0] for line in GOOD], "user,title,rating"),
        ("behaviour.csv, line 1", "time"),
    ),
    "rating off the scale": (
        lambda folder: write_data(folder, [*GOOD[:3], "user-0,Cove,5.5,1600000300", *GOOD[3:]]),
        ("behaviour.csv, line 5", "5.5", "off the scale"),
    ),
    "rating in words": (
        lambda folder: write_data(folder, ["user-0,Cove,good,1600000300", *GOOD]),
        ("behaviour.csv, line 2", "good", "not a number"),
    ),
    "unparsable time": (
        lambda folder: write_data(folder, [*GOOD[:5], "user-0,Cove,4,yesterday", *GOOD]),
        ("behaviour.csv, line 7", "yesterday", "time"),
    ),
    "title of blanks": (
        lambda folder: write_data(folder, [*GOOD, "user-0,   ,4,1600000300"]),
        ("behaviour.csv, line 122", "title", "empty"),
    ),
    "users with too few windows": (
        lambda folder: write_data(folder, rows(count=19)),
        ("behaviour.csv", "no user has the 20 ratings"),
    ),
    "header alone": (lambda folder: write_data(folder, []), ("behaviour.csv", "no ")),
    "empty file": (lambda folder: write_data(folder, []) and (folder / "behaviour.csv").write_bytes(b""), ("empty",)),
    "other encoding": (
        lambda folder: write_data(folder, [*GOOD, "user-0,Café,4,1600000300"], encoding="latin-1"),
        ("behaviour.csv, line 122", "UTF-8"),
    ),
    "UTF-16": (lambda folder: write_data(folder, GOOD, encoding="utf-16-le"), ("behaviour.csv", "UTF-8")),
    "unknown domain": (
        lambda folder: write_data(folder, [f"{line},clouds" for line in GOOD], f"{HEADER},domain"),
        ("behaviour.csv, line 2", "unknown domain 'clouds'"),
    ),
    "row too short": (lambda folder: write_data(folder, [*GOOD, "user-0,Cove"]), ("behaviour.csv, line 122",)),
    "no Parquet": (
        lambda folder: write_data(folder, []) and (folder / "behaviour.csv").rename(folder / "behaviour.parquet"),
        ("behaviour.parquet", "Parquet"),
    ),
    "domain without a scale": (
        lambda folder: write_data(folder, GOOD) and (folder / "domain.toml").write_text('id = "x"', "utf-8"),
        ("domain.toml", "lacks"),
    ),
    "empty folder": (lambda folder: folder.mkdir(), ("no known layout",)),
    "no folder": (lambda folder: None, ("no such folder",)),
}


@pytest.mark.parametrize("case", DATA)
def test_bad_data(deeper: CommandLine, tmp_path: Path, case: str) -> None:
    make, parts = DATA[case]
    make(tmp_path / "bad")
    result = deeper("evaluate", "--data", str(tmp_path / "bad"), "--out", "run", *SCRIPTED)
    assert_one_message(result, *parts)
    assert files(Path()) == {}


BAD_FLAGS = {
    "unknown domain": (["--domains", "clouds"], ["clouds", "coves"]),
    "unknown method": (["--methods", "magic"], ["methods", "unknown method magic", "refine"]),
    "unknown role": (["--roles", "past"], ["roles", "unknown role past"]),
    "unknown engine": (["--policy-engine", "steam"], ["no engine 'steam'", "scripted"]),
    "no users": (["--users", "0"], ["users", "greater than or equal to 1"]),
    "users in words": (["--users", "some"], ["users", "valid integer"]),
    "missing configuration": (["--config", "none.toml"], ["none.toml", "init-config"]),
    "missing prompts": (["--prompts", "none"], ["none", "no such folder of prompts"]),
    "missing weights": (["--policy-engine", "embedded:/missing.gguf"], ["/missing.gguf", "GGUF file"]),
}


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags(deeper: CommandLine, data: Path, case: str) -> None:
    flags, parts = BAD_FLAGS[case]
    assert_one_message(deeper("evaluate", "--data", str(data), "--out", "run", *SCRIPTED, *flags), *parts)
    assert files(Path()) == {}


def test_a_bad_configuration_is_named(deeper: CommandLine, data: Path) -> None:
    Path("mine.toml").write_text('methods = ["magic"]\nrounds = "many"\n', "utf-8")
    before = files(Path())
    result = deeper("evaluate", "--data", str(data), "--config", "mine.toml", "--out", "run")
    assert_one_message(result, "mine.toml: methods: unknown method magic", "mine.toml: rounds: ")
    assert files(Path()) == before


def test_a_corrupt_prompt_is_named(deeper: CommandLine, data: Path) -> None:
    Path("own").mkdir()
    Path("own/refine.txt").write_text("Hello\n---\n$persona $mood", "utf-8")
    before = files(Path())
    assert_one_message(deeper("evaluate", "--data", str(data), "--prompts", "own", *SCRIPTED), "refine.txt", "lacks")
    assert files(Path()) == before


@pytest.mark.parametrize("content", [bytes(4096), b"", b"GGUF" + bytes(60), b"not weights at all"])
def test_corrupt_weights_are_named(
    deeper: CommandLine, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("DEEPER_CACHE", str(tmp_path / "cache"))
    Path("bad.gguf").write_bytes(content)
    flags = ("--policy-engine", "embedded:bad.gguf", "--out", "run")
    assert_one_message(deeper("evaluate", "--data", str(data), *SCRIPTED, *flags), "bad.gguf", "GGUF")
    assert files(Path()).keys() == {"bad.gguf"}
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_an_engine_that_is_down_is_named_and_the_run_goes_on_when_it_is_back(
    deeper: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
        words = ("evaluate", "--data", str(data), *SCRIPTED, "--predictor-engine", "openai:some-model", "--out", "run")
        result = deeper(*words)
    assert_one_message(result, f"127.0.0.1:{port}", "cannot be reached")
    assert "a-secret" not in result.err
    left = files(Path())
    assert not any(name.endswith(".part") for name in left)
    assert not any(name.startswith("run/predict") or name.endswith("results.json") for name in left)
    again = deeper(*words)
    assert "from an earlier run" in again.err


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("place", ["fsync", "mkdir"])
def test_a_full_or_read_only_disk_is_said(
    deeper: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch, error: int, place: str
) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(*{"fsync": (os, "fsync"), "mkdir": (Path, "mkdir")}[place], fail)
        result = deeper("evaluate", "--data", str(data), "--out", "run", *SCRIPTED)
    assert_one_message(result, "run", os.strerror(error))
    assert files(Path()) == {}
    assert deeper("evaluate", "--data", str(data), "--out", "run", "--rounds", "1", *SCRIPTED).code == 0


def test_a_disk_that_fills_up_during_a_run_keeps_what_is_whole(
    deeper: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.fsync, [4]

    def fsync(number: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(number)

    words = ("evaluate", "--data", str(data), "--out", "run", "--rounds", "1", *SCRIPTED)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        result = deeper(*words)
    assert_one_message(result, "No space left", "continues where it stopped")
    assert len(files(Path("run")).keys() - {".lock"}) == 4
    assert deeper(*words).code == 0
    interrupted = files(Path("run"))
    assert deeper(*words[:3], "--out", "other", *words[5:]).code == 0
    for name, content in files(Path("other")).items():
        if name.endswith(".parquet") and not name.startswith("cost"):
            assert interrupted[name] == content


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "there is not enough memory"),
        (ImportError("x.so: failed to map segment from shared object"), "there is not enough memory"),
        (RuntimeError("can't start new thread"), "there is not enough memory"),
        (OSError("Failed to launch worker thread: Resource temporarily unavailable"), "there is not enough memory"),
        (ValueError("Invalid Input Error: Python exception: MemoryError"), "there is not enough memory"),
        (SystemError("error return without exception set"), "there is not enough memory"),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "place"),
            "place: the disk cannot be written (No space left",
        ),
    ],
)
def test_a_machine_that_is_full_is_no_bug(
    deeper: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise ValueError("in between") from error

    monkeypatch.setattr("deeper.commands.evaluate.evaluate.evaluate", fail)
    assert_one_message(
        deeper("evaluate", "--data", str(data), "--out", "run", *SCRIPTED), said, "continues where it was"
    )
    monkeypatch.setattr("deeper.commands.evaluate.evaluate.evaluate", Mock(side_effect=ZeroDivisionError))
    result = deeper("evaluate", "--data", str(data), "--out", "run", *SCRIPTED)
    assert result.code == 1
    assert "a bug in deeper: ZeroDivisionError" in result.err


def test_a_full_disk_leaves_an_old_configuration_as_it_was(
    deeper: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path("deeper.toml").write_bytes(b"users = 3")
    monkeypatch.setattr(os, "fsync", fail)
    assert_one_message(deeper("init-config", "--force"), "deeper.toml", "No space left")
    assert files(Path()) == {"deeper.toml": b"users = 3"}
    assert_one_message(deeper("init-config", "new.toml"), "new.toml", "No space left")
    assert_one_message(deeper("init-config", "none/new.toml"), "new.toml", "No such file")
    assert files(Path()).keys() == {"deeper.toml"}


def test_a_run_of_other_settings_is_left_as_it_is(deeper: CommandLine, data: Path) -> None:
    words = ("evaluate", "--data", str(data), "--out", "run", *SCRIPTED)
    assert deeper(*words).code == 0
    before = files(Path())
    assert_one_message(
        deeper(*words, "--users", "2", "--seed", "4"), "users = 2 (was 100)", "seed = 4 (was 1)", "--out"
    )
    assert files(Path()) == before


def test_a_folder_that_is_no_run_is_left_as_it_is(deeper: CommandLine, data: Path) -> None:
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("precious", "utf-8")
    before = files(Path())
    for out in ("thesis", "thesis/chapter.txt"):
        assert_one_message(deeper("evaluate", "--data", str(data), "--out", out, *SCRIPTED), out, "holds no run")
    assert files(Path()) == before


def test_a_damaged_shard_is_named(deeper: CommandLine, data: Path) -> None:
    words = ("evaluate", "--data", str(data), "--out", "run", "--rounds", "1", *SCRIPTED)
    assert deeper(*words).code == 0
    [shard] = Path("run/initialise").glob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:-9])
    result = deeper(*words)
    assert_one_message(result, str(shard), "damaged", "delete the file")
    shard.unlink()
    assert deeper(*words).code == 0


def test_a_folder_for_planted_users_that_holds_something_is_left(deeper: CommandLine) -> None:
    Path("planted").mkdir()
    Path("planted/old.txt").write_text("precious", "utf-8")
    before = files(Path())
    assert_one_message(deeper("synth", "users", "--out", "planted", "--users", "3"), "planted", "not empty")
    assert files(Path()) == before
