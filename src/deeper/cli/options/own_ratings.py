"""The user's own ratings: questions about what is unclear, and a first look before a run."""

import sys
from pathlib import Path

import click
from rich.console import Console

from deeper.behaviour.own.columns import read_given
from deeper.behaviour.own.meaning.choose_scale import suspected_marks
from deeper.behaviour.own.meaning.column_values import understand
from deeper.behaviour.own.meaning.personal_exports import recognise
from deeper.behaviour.own.table import open_table
from deeper.behaviour.own.text.nested import flattened
from deeper.commands.evaluate.plan import RunPlan
from deeper.commands.evaluate.settings import Settings
from deeper.errors import printable

LONG_SECONDS = 120
"""On a terminal, a run that takes longer needs the user's consent."""


def is_asking(yes: bool) -> bool:
    """Whether a user can answer questions."""
    return not yes and sys.stdin.isatty() and sys.stderr.isatty()


def ask_about_ratings(settings: Settings) -> Settings:
    """The settings with the user's answers: on unclear columns, and on numbers that may mean "not rated"."""
    source = flattened(open_table(Path(settings.ratings), settings.encoding))
    columns = list(settings.columns)
    while (found := understand(source, read_given(columns), settings.item)).unclear:
        name, fitting = next(iter(found.unclear.items()))
        free = [column for column in fitting or source.columns if column and column not in found.of.values()]
        if not free:
            break  # the reader will report what is missing
        for reason in found.rejected.get(name, ()):
            click.echo(printable(f"{reason[0].upper()}{reason[1:]}."), err=True)
        click.echo(f"Which column holds the {name}?", err=True)
        for number, column in enumerate(free, 1):
            click.echo(f"  {number}  {column[:60] if column.isprintable() else repr(column)[:60]}", err=True)
        if name == "user":
            click.echo("  0  none: one person gave all ratings", err=True)
        chosen = click.prompt("Number", type=click.IntRange(0 if name == "user" else 1, len(free)), err=True)
        columns.append(f"{name}={free[chosen - 1] if chosen else ''}")
    unrated = list(settings.unrated)
    if "rating" in found.of and not settings.scale and recognise(source.columns) is None:
        for mark in suspected_marks(source, found.of["rating"], unrated):
            if click.confirm(f"Do ratings of {mark:g} mean that an item is not rated?", err=True):
                unrated.append(mark)
    return settings.model_copy(update={"columns": tuple(columns), "unrated": tuple(unrated)})


def look_first(plan: RunPlan, console: Console, is_asking: bool) -> None:
    """Show a first look at the ratings; on a terminal, ask before a long run.

    Raises:
        click.exceptions.Exit: The user declines.
    """
    from deeper.commands.evaluate.estimate import estimate
    from deeper.report.terminal.first_look import print_first_look

    if plan.look is None:
        return
    console.print("Measuring how long a persona takes on this machine ...")
    expected = estimate(plan)
    print_first_look(plan.look, plan, expected, console)
    if is_asking and expected.seconds > LONG_SECONDS and not click.confirm("Go on?", default=True, err=True):
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(0)
