"""Entry point: finds commands lazily and turns errors into one message and an exit code.

What --help does not need is imported where it is used: half of its time went into that.
"""

import errno
import importlib
import os
import sys

import click

from deeper.errors import UserError

COMMANDS = {
    "demo": "Refine personas of real users on this machine, in minutes.",
    "evaluate": "Refine personas and judge them by what the users did next.",
    "report": "Write a run's report: one page and figures.",
    "train": "Train the models that read and write personas.",
    "sample": "Sample refinements of train users' personas.",
    "reward": "Reward them, and say whether the reward is real.",
    "pairs": "Make preference pairs of them.",
    "learn": "All of that twice, with trainings between: a better policy.",
    "export": "Write pairs for LLaMA-Factory, data sets and adapters for the hub.",
    "prepare": "Make windows and contexts of the ten domains' raw files.",
    "inspect": "Look at a data folder: counts, lengths, odd titles.",
    "synth": "Make users whose taste is known, or raw files.",
    "doctor": "Say what works on this machine.",
    "init-config": "Write a configuration file with every setting explained.",
}


DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
OUT_OF_MEMORY = ("cannot allocate memory", "failed to map segment", "can't start new thread", "bad_alloc")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, so that --help is quick."""

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
    """Keep a readable persona of every user, refine it from prediction errors, and measure whether it got better.

    \b
    Start here:
      deeper demo                 16 users, four rounds, about twelve minutes on two older cores
      deeper evaluate --help      every setting, with its default
      deeper doctor               what works on this machine
    """  # noqa: D301 (click wants the character)
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("deeper").setLevel(logging.INFO)


def main() -> None:
    """Run the command line. Exit code 2 for errors that the user can mend, 1 for ours."""
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
        click.echo("deeper: interrupted; the same command continues where it was.", err=True)
        return 130
    except Exception as error:  # the last resort: whatever reaches this line is a bug of ours
        if os.environ.get("DEEPER_DEBUG"):
            raise
        if told := _of_the_machine(error):
            click.echo(f"deeper: {told}", err=True)
            return 2
        click.echo(f"deeper: a bug of ours: {type(error).__name__}: {error}.\n  → {_keep_details()}", err=True)
        return 1


def _of_the_machine(error: BaseException) -> UserError | None:
    """What to say where the disk or the memory was full in a place that has no words of its own for it."""
    again = "the same command continues where it was"
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            what = f"the disk cannot be written to ({error.strerror})"
            return UserError(what, where=str(error.filename or ""), do=f"free space; {again}")
        # Libraries that find no memory say so in many ways.
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY):
            return UserError("the memory does not suffice", do=f"close other programs, or take fewer users; {again}")
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
