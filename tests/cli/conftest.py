from pathlib import Path

import pytest
from command_line import CommandLine, rows, write_data


@pytest.fixture
def deeper(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    """The command line in an empty current directory."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("DEEPER_DEBUG", raising=False)
    return CommandLine(monkeypatch, capfd)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A good data folder."""
    return write_data(tmp_path / "data", rows())
