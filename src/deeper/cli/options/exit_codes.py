"""The exit code of a command that has finished although something is missing."""

import click

INCOMPLETE = 3
"""Calls failed, and so a method that was chosen has no result. The report says which."""


def exit_if_incomplete(is_complete: bool) -> None:
    """End the command with `INCOMPLETE`, unless nothing is missing."""
    if not is_complete:
        raise click.exceptions.Exit(INCOMPLETE)
