"""Building the site, and reading its pages."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from bs4 import BeautifulSoup, Tag

from deeper.cli.main import cli
from deeper.storage.settings import RunSettings

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Build:
    """What came of a build: the site's folder, the exit code, and what Sphinx said."""

    folder: Path
    code: int
    said: str


def build(source: Path, out: Path) -> Build:
    """Build it as `make docs` does."""
    words = ["--fail-on-warning", "--keep-going", "--quiet", str(source), str(out)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words], capture_output=True, text=True, check=False, env=environment
    )
    return Build(out, done.returncode, done.stdout + done.stderr)


def page(path: Path) -> Tag:
    """The text of a page, without navigation."""
    return BeautifulSoup(path.read_text("utf-8"), "html.parser").find("article")


def commands(group: click.Group = cli, words: str = "deeper") -> Iterator[tuple[str, click.Command]]:
    """All commands with their words, groups included."""
    yield words, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


def kinds(base: type[RunSettings] = RunSettings) -> Iterator[type[RunSettings]]:
    """All settings that a command takes; those of a tracker are none."""
    for kind in base.__subclasses__():
        if "command" in kind.__dict__ and not kind.__module__.startswith("deeper.tracker"):
            yield kind
        yield from kinds(kind)
