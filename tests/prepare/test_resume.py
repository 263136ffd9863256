"""Interrupted, repeated, changed: nothing is lost, nothing is done twice, nothing is left half-written."""

import gzip
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from deeper.behaviour.load import load_windows
from deeper.domains import BUILTIN
from deeper.errors import UserError
from deeper.prepare import one_domain as run_module
from deeper.prepare import raw_to_parquet as stage_module
from deeper.prepare.database import database
from deeper.prepare.raw.readers import READERS
from deeper.prepare.raw_to_parquet import Staging, stage_ratings
from deeper.prepare.sample_users import sample_users
from deeper.prepare.synth.raw_files import write_raw

Run = Callable[..., dict[str, Any]]
TABLES = ("behaviour.parquet", "windows.parquet", "contexts.parquet", "rejects.parquet")
USERS = {"train_users": 6, "eval_users": 4, "windows": 3}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "books"
    write_raw("amazon_books", 6_000, folder, raw_format="amazon_2023", bad_lines=6)
    return folder


@pytest.fixture(scope="module")
def whole(raw: Path, run_prepare: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tables of a run that nothing has disturbed; all runs here use its key."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run_prepare("amazon_books", raw, out, {"key_file": raw.parent / "key"}, **USERS)
    return {name: (out / name).read_bytes() for name in TABLES}


@pytest.fixture
def again(raw: Path, run_prepare: Run, tmp_path: Path) -> Callable[[], dict[str, Any]]:
    return lambda: run_prepare("amazon_books", raw, tmp_path / "out", {"key_file": raw.parent / "key"}, **USERS)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name[0] != "."}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The raw files that were read."""
    seen: list[str] = []
    read = stage_module.read_records

    def watched(path: str, *rest: Any) -> Any:
        seen.append(Path(path).name)
        return read(path, *rest)

    monkeypatch.setattr(stage_module, "read_records", watched)
    return seen


@pytest.mark.parametrize("at", ["stage_meta", "write_titles", "merge_bucket", "sample_users", "write_tables"])
def test_an_interrupted_run_continues_to_the_same_bytes(
    at: str, again: Callable[[], Any], whole: dict[str, bytes], reads: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patches:
        patches.setattr(run_module, at, interrupt)
        with pytest.raises(KeyboardInterrupt):
            again()
    assert not files(tmp_path / "out") & {*TABLES, "prepare.json"}
    again()
    assert {name: (tmp_path / "out" / name).read_bytes() for name in TABLES} == whole
    assert reads == ["Books.jsonl.gz", "meta_Books.jsonl.gz"]
    assert files(tmp_path / "out") == {*TABLES, "config.toml", "prepare.json"}


def test_a_killed_run_continues(raw: Path, again: Callable[[], Any], whole: dict[str, bytes], tmp_path: Path) -> None:
    code = f"""
        import os
        from pathlib import Path
        from rich.console import Console
        from deeper.prepare import tables
        from deeper.prepare.one_domain import Options, prepare
        from deeper.prepare.settings import PrepareSettings
        tables._concatenate = lambda *args: os._exit(9)
        settings = PrepareSettings(domain="amazon_books", raw={str(raw)!r}, **{USERS!r})
        prepare(settings, Path({str(tmp_path / "out")!r}), Options(Path({str(raw.parent / "key")!r})), Console())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    assert not files(tmp_path / "out") & {*TABLES}
    again()
    assert {name: (tmp_path / "out" / name).read_bytes() for name in TABLES} == whole
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.endswith(("part", "partial"))]


def run_on_a_full_disk(raw: Path, out: Path, room: int, words: str = "") -> str:
    """What a run says in a process whose files may hold so many bytes."""
    code = f"""
        import resource
        from pathlib import Path
        from rich.console import Console
        from deeper.errors import UserError
        from deeper.prepare.one_domain import Options, prepare
        from deeper.prepare.settings import PrepareSettings
        resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
        settings = PrepareSettings(domain="amazon_books", raw={str(raw)!r}, **{USERS!r})
        try:
            options = Options(Path({str(raw.parent / "key")!r}){words})
            prepare(settings, Path({str(out)!r}), options, Console())
        except UserError as error:
            print("ERROR", error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert "ERROR" in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.partition("ERROR")[2]


def test_a_full_disk_is_an_error_and_loses_nothing(
    raw: Path, again: Callable[[], Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    assert "free space" in run_on_a_full_disk(raw, tmp_path / "out", 20_000)
    assert not files(tmp_path / "out") & {*TABLES}
    again()
    assert {name: (tmp_path / "out" / name).read_bytes() for name in TABLES} == whole


def test_a_disk_that_is_full_when_layouts_are_published(
    raw: Path, again: Callable[[], Any], whole: dict[str, bytes], run_prepare: Run, tmp_path: Path
) -> None:
    again()
    message = run_on_a_full_disk(raw, tmp_path / "out", 2_000, ", published=True")
    assert "published" in message and "free space" in message
    run_prepare("amazon_books", raw, tmp_path / "out", {"key_file": raw.parent / "key", "published": True}, **USERS)
    assert load_windows(str(tmp_path / "out" / "published")).windows.num_rows
    assert {name: (tmp_path / "out" / name).read_bytes() for name in TABLES} == whole


def test_a_finished_run_is_not_repeated_until_its_files_change(
    run_prepare: Run, reads: list[str], tmp_path: Path
) -> None:
    write_raw("amazon_books", 6_000, tmp_path / "raw", raw_format="amazon_2023")
    first = run_prepare("amazon_books", tmp_path / "raw", tmp_path / "out", **USERS)
    assert run_prepare("amazon_books", tmp_path / "raw", tmp_path / "out", **USERS) == first
    assert reads == ["Books.jsonl.gz", "meta_Books.jsonl.gz"]
    meta = tmp_path / "raw" / "meta_Books.jsonl.gz"
    os.utime(meta, ns=(0, 0))
    run_prepare("amazon_books", tmp_path / "raw", tmp_path / "out", **USERS)
    assert len(reads) == 4


def test_an_edited_reader_is_not_served_from_an_old_stage(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,timestamp,corrected\n1,2,3.0,1000000000,4.5\n", "utf-8")
    reader = READERS["movielens"]
    edited = replace(reader, ratings=replace(reader.ratings, names={**reader.ratings.names, "rating": ("corrected",)}))
    found: list[float] = []
    for one in (reader, edited, reader):
        with database(tmp_path / "spill", 1.0) as con:
            staging = Staging(con, tmp_path / "work", lambda _: None)
            staged = stage_ratings(staging, str(path), one, BUILTIN["movielens_20m"], 1)
        found += pq.ParquetFile(next(staged.folder.glob("bucket=0/*.parquet"))).read()["rating"].to_pylist()
    assert found == [3.0, 4.5, 3.0]
    assert len(list((tmp_path / "work").iterdir())) == 2


def test_changed_code_is_run_again(
    again: Callable[[], Any], whole: dict[str, bytes], reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patches:
        patches.setattr(run_module, "merge_bucket", interrupt)
        patches.setattr(stage_module, "code_hash", lambda *things: "older code")
        with pytest.raises(KeyboardInterrupt):
            again()
    with monkeypatch.context() as patches:
        patches.setattr(run_module, "code_hash", lambda *things: "older code")
        again()
    assert len(reads) == 4, "the stages of older code are not used"
    again()
    assert len(reads) == 6, "nor is a folder that older code has finished"
    again()
    assert len(reads) == 6
    assert {name: (tmp_path / "out" / name).read_bytes() for name in TABLES} == whole


def test_changed_code_does_not_give_users_new_ids_when_their_key_is_gone(
    run_prepare: Run, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_prepare("amazon_books", raw, tmp_path / "out", **USERS)
    before = (tmp_path / "out" / "windows.parquet").read_bytes()
    (tmp_path / "out.key").unlink()
    monkeypatch.setattr(run_module, "code_hash", lambda *things: "newer code")
    with pytest.raises(UserError, match="the key of this folder's user ids is missing"):
        run_prepare("amazon_books", raw, tmp_path / "out", **USERS)
    assert (tmp_path / "out" / "windows.parquet").read_bytes() == before
    assert not (tmp_path / "out.key").exists()


def test_the_published_layouts_can_be_asked_for_later(
    run_prepare: Run, raw: Path, reads: list[str], tmp_path: Path
) -> None:
    run_prepare("amazon_books", raw, tmp_path / "out", **USERS)
    run_prepare("amazon_books", raw, tmp_path / "out", {"published": True, "key_file": tmp_path / "out.key"}, **USERS)
    assert (tmp_path / "out" / "published" / "amazon_book" / "test_iterations" / "test_iteration_1.jsonl").exists()
    assert len(reads) == 2


def test_other_settings_or_another_key_want_another_folder(run_prepare: Run, raw: Path, tmp_path: Path) -> None:
    run_prepare("amazon_books", raw, tmp_path / "out", **USERS)
    with pytest.raises(UserError, match="other settings: windows"):
        run_prepare("amazon_books", raw, tmp_path / "out", **{**USERS, "windows": 2})
    (tmp_path / "other").write_text("ab" * 32, "ascii")
    with pytest.raises(UserError, match="another key"):
        run_prepare("amazon_books", raw, tmp_path / "out", {"key_file": tmp_path / "other"}, **USERS)
    with pytest.raises(UserError, match="must not be in the output folder"):
        run_prepare("amazon_books", raw, tmp_path / "out", {"key_file": tmp_path / "out" / "key"}, **USERS)
    (tmp_path / "bad").write_text("no key", "ascii")
    with pytest.raises(UserError, match="holds no key"):
        run_prepare("amazon_books", raw, tmp_path / "new", {"key_file": tmp_path / "bad"}, **USERS)


def test_what_is_done_needs_no_key_any_more(run_prepare: Run, raw: Path, tmp_path: Path) -> None:
    first = run_prepare("amazon_books", raw, tmp_path / "out", **USERS)
    (tmp_path / "out.key").unlink()
    assert run_prepare("amazon_books", raw, tmp_path / "out", {"published": True}, **USERS) == first
    assert (tmp_path / "out" / "published").exists()
    assert not (tmp_path / "out.key").exists()


def test_published_layouts_follow_changed_files_and_killed_runs(run_prepare: Run, raw: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(raw, tmp_path / "raw"))

    def published() -> dict[str, bytes]:
        run_prepare("amazon_books", own, tmp_path / "out", {"published": True}, **USERS)
        places = [tmp_path / "out" / "published", tmp_path / "out" / "published_hub"]
        load_windows(str(places[0]))
        files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
        return {str(path.relative_to(tmp_path)): path.read_bytes() for path in files}

    first = published()
    for name in ("published/.amazon_book.1.partial", ".published_hub.1.partial"):
        (tmp_path / "out" / name / "test_iterations").mkdir(parents=True)
    assert published() == first
    assert not list((tmp_path / "out").rglob("*.partial"))
    [path] = own.glob("Books.jsonl.gz")
    path.write_bytes(gzip.compress(b"".join(gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:-900])))
    assert published() != first


def test_published_layouts_of_too_few_windows_are_refused_at_once(run_prepare: Run, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a context takes 3 windows"):
        run_prepare("amazon_books", raw, tmp_path / "out", {"published": True}, **{**USERS, "windows": 2})
    assert not (tmp_path / "out").exists()


def test_a_key_that_a_killed_run_has_not_written_is_made(run_prepare: Run, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "out.key").touch()
    run_prepare("amazon_books", raw, tmp_path / "out", **USERS)
    assert len(bytes.fromhex((tmp_path / "out.key").read_text("ascii"))) == 32


def test_the_key_is_for_its_owner_and_decides_the_ids(run_prepare: Run, raw: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run_prepare("amazon_books", raw, tmp_path / name, **USERS)
        assert (tmp_path / f"{name}.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "one.key").read_text() != (tmp_path / "two.key").read_text()
    assert (tmp_path / "one" / "windows.parquet").read_bytes() != (tmp_path / "two" / "windows.parquet").read_bytes()


def test_new_users_move_nobody_between_the_splits() -> None:
    few = [(f"user {i}", 70) for i in range(300)]
    more = [*few, *((f"newcomer {i}", 80) for i in range(60))]
    key = bytes(32)
    before, after = (
        {row["raw"]: row["split"] for row in sample_users(users, 90, 30, "amazon_books", key).to_pylist()}
        for users in (few, more)
    )
    stayed = before.keys() & after.keys()
    assert {user: before[user] for user in stayed} == {user: after[user] for user in stayed}
    left = before.keys() - after.keys()
    came = after.keys() - before.keys()
    assert all(user.startswith("newcomer") for user in came)
    assert len(left) == len(came) < 40
    assert len(before) == 120
    smaller = sample_users(few, 45, 15, "amazon_books", key).to_pylist()
    assert {row["raw"]: row["split"] for row in smaller}.items() <= before.items()
