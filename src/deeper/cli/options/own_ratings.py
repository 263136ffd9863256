"""The user's own ratings: questions about unclear columns, and a first look before a run."""

import sys
from pathlib import Path

import click
from rich.console import Console

from deeper.behaviour.own.columns import find_columns, read_given
from deeper.behaviour.own.table import open_table
from deeper.commands.evaluate.plan import RunPlan
from deeper.commands.evaluate.settings import Settings

LONG_SECONDS = 120
"""On a terminal, a run that takes longer needs the user's consent."""


def is_asking(yes: bool) -> bool:
    """Whether a user can answer questions."""
    return not yes and sys.stdin.isatty() and sys.stderr.isatty()


def ask_for_columns(settings: Settings) -> Settings:
    """The settings with the user's answers on columns whose names do not tell what they hold."""
    source = open_table(Path(settings.ratings), settings.encoding)
    found = find_columns(source.columns, read_given(settings.columns), settings.item)
    answers: list[str] = []
    for field, names in found.unclear.items():
        named = {pair.partition("=")[2] for pair in (*settings.columns, *answers)}
        free = [name for name in names or source.columns if name and name not in (*found.of.values(), *named)]
        if not free:
            break  # the reader will report what is missing
        click.echo(f"Which column holds the {field}?", err=True)
        for number, name in enumerate(free, 1):
            click.echo(f"  {number}  {name[:60] if name.isprintable() else repr(name)[:60]}", err=True)
        chosen = click.prompt("Number", type=click.IntRange(1, len(free)), err=True)
        answers.append(f"{field}={free[chosen - 1]}")
    return settings.model_copy(update={"columns": (*settings.columns, *answers)})


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
