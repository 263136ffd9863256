"""Runs the command line in this process, and small data folders to run it on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from deeper.cli.main import _run  # pyright: ignore[reportPrivateUsage]

HEADER = "user,title,rating,time"
SCRIPTED = ("--policy-engine", "scripted", "--predictor-engine", "scripted", "--methods", "refine,frozen,user_median")


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class CommandLine:
    """`deeper` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, *words: str) -> Result:
        self._monkeypatch.setattr("sys.argv", ["deeper", *words])
        self._capfd.readouterr()
        try:
            code = _run()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Result(code, *self._capfd.readouterr())


def rows(users: int = 4, count: int = 30) -> list[str]:
    """Lines of a behaviour file; ratings on 1 to 5, times in order."""
    return [
        f"user-{user},Silent Cove {user} {i},{1 + (user + i) % 5},{1_600_000_000 + 60 * i}"
        for user in range(users)
        for i in range(count)
    ]


def write_data(folder: Path, lines: Sequence[str], header: str = HEADER, encoding: str = "utf-8") -> Path:
    """An own folder with a five-star domain."""
    folder.mkdir()
    (folder / "behaviour.csv").write_bytes("\n".join([header, *lines, ""]).encode(encoding))
    toml = 'id = "coves"\nname = "Coves"\nitem_noun = "cove"\nscale = [1, 5, 1]\n'
    (folder / "domain.toml").write_text(toml, "utf-8")
    return folder
