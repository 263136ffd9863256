"""Entry point: loads commands on demand, and turns errors into one message and an exit code.

Imports that --help does not need stand where they are used; they took half of its time.
"""

import errno
import importlib
import os
import sys

import click

from deeper.errors import UserError

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


class LazyGroup(click.Group):
    """A group that imports a command when it is used, which keeps --help fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"deeper.cli.{cmd_name.replace('-', '_')}")
        return module.command

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
      deeper demo                 a persona within a minute, results in four to ten minutes on two cores
      deeper evaluate --help      every setting, with its default
      deeper doctor               what works on this machine
    """  # noqa: D301 (click wants the character)
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("deeper").setLevel(logging.INFO)


def main() -> None:
    """Run the command line. Exit code 2 for errors that the user can fix, 1 for bugs."""
    sys.exit(_run())


def _run() -> int:
    try:
        return cli.main(standalone_mode=False) or 0
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
        if message := _full_machine(error):
            click.echo(f"deeper: {message}", err=True)
            return 2
        click.echo(f"deeper: a bug in deeper: {type(error).__name__}: {error}.\n  → {_keep_details()}", err=True)
        return 1


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
