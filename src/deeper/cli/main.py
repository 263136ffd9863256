"""Entry point: loads commands on demand, and turns errors into one message and an exit code.

Imports that --help does not need stand where they are used; they took half of its time.
"""

import errno
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING

import click

from deeper.errors import UserError, choose_from
from deeper.storage.user_paths import is_no_utf_8, with_home

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "demo": "Show a persona within a minute, then compare ways to update it.",
    "evaluate": "Refine personas round by round and measure how well they predict.",
    "report": "Write a run's report again: one page, and figures.",
    "compare": "Compare runs, paired by user; seeds of one setting are pooled.",
    "train": "Train the models that write and read personas.",
    "sample": "Sample candidate refinements of train users' personas.",
    "reward": "Score the sampled refinements.",
    "pairs": "Make preference pairs of scored refinements.",
    "learn": "Sample, reward, pair and train, twice.",
    "export": "Write files for LLaMA-Factory or the hub.",
    "prepare": "Turn raw files of ten public domains into windows.",
    "inspect": "Show what a data folder contains.",
    "synth": "Make synthetic users with known taste, or raw files.",
    "models": "List larger models to try.",
    "doctor": "Check what works on this machine.",
    "init-config": "Write a configuration file that explains every setting.",
}


DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
OUT_OF_MEMORY = (
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "failed to launch worker thread",
    "bad_alloc",
    "out of memory",
    "memoryerror",
    "error return without exception set",
)
"""Parts of the messages by which libraries, and Python itself, report a lack of memory."""


NARROWEST = 20
"""Columns of a terminal."""


class LazyGroup(click.Group):
    """A group that imports a command when it is used, which keeps --help fast."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read `~` in every argument: a shell leaves it in --out=~/run."""
        return super().parse_args(ctx, with_home(args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"deeper.cli.{cmd_name.replace('-', '_')}")
        return module.command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; name the closest one if there is none."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}: {choose_from(COMMANDS, name)}.")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """Complete the name of a command, or an option, without importing any command."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=about) for name, about in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="deeper-persona", prog_name="deeper")
def cli() -> None:
    """Write readable personas of users, refine them from prediction errors, and measure whether they get better.

    \b
    Start here:
      deeper demo                 a persona within a minute, results in three to twelve minutes on two cores
      deeper evaluate --help      every setting, with its default
      deeper doctor               what works on this machine
    """  # noqa: D301 (click wants the character)
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("deeper").setLevel(logging.INFO)


def main() -> None:
    """Run the command line. Exit code 2 for errors that the user can fix, 3 if results are missing, 1 for bugs."""
    sys.exit(_run())


def _run() -> int:
    _make_printable()
    try:
        return cli.main(prog_name="deeper", standalone_mode=False) or 0
    except UserError as error:
        click.echo(f"deeper: {error}", err=True)
        return 2
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("deeper: interrupted. The same command continues where it was.", err=True)
        return 130
    except Exception as error:  # the last resort: whatever reaches this line is a bug
        if os.environ.get("DEEPER_DEBUG"):
            raise
        if message := _full_machine(error) or _odd_name(error):
            click.echo(f"deeper: {message}", err=True)
            return 2
        from deeper.cli.options.own_code import error_in_own_code, place_of

        if message := error_in_own_code(error):
            click.echo(f"deeper: {message}", err=True)
            return 2
        what = f"{type(error).__name__}: {error} ({place_of(error)})"
        click.echo(f"deeper: a bug in deeper: {what}.\n  → {_keep_details()}", err=True)
        return 1


def _make_printable() -> None:
    """Let no terminal break a run: print ? for what its encoding lacks, and ignore a width that fits no table."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if not os.environ.get("COLUMNS", "").isdigit() or int(os.environ["COLUMNS"]) < NARROWEST:
        os.environ.pop("COLUMNS", None)


def _full_machine(error: BaseException) -> UserError | None:
    """The message if a full disk or memory caused the error; None if neither did."""
    again = "the same command continues where it was"
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            what = f"the disk cannot be written ({error.strerror})"
            return UserError(what, where=str(error.filename or ""), do=f"free space; {again}")
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY):
            return UserError("there is not enough memory", do=f"close other programs, or use fewer users; {again}")
        error = error.__cause__ or error.__context__ or error
    return None


def _odd_name(error: BaseException) -> UserError | None:
    """The message if a file name that is no UTF-8 caused the error: texts in data are checked when they are read."""
    if isinstance(error, UnicodeEncodeError) and is_no_utf_8(error.object):
        do = "rename it: perhaps the current folder, or a file in a folder that you gave"
        return UserError("the name of a file or folder is not valid UTF-8", where=error.object[-200:], do=do)
    return None


def _keep_details() -> str:
    import tempfile
    import traceback

    details = traceback.format_exc()
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="deeper-bug-", suffix=".txt", delete=False
        ) as file:
            file.write(details)
    except OSError as error:
        return f"No details were kept ({error.strerror}); set DEEPER_DEBUG=1 to see them."
    return f"Details for a report: {file.name}"


if __name__ == "__main__":
    main()
