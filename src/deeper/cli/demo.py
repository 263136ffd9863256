"""`deeper demo`."""

from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG, FULL, OUT, REUSE_SHARDS, UNTUNED, YES, Command, run
from deeper.cli.options.from_settings import given, settings_options
from deeper.commands.evaluate.settings import resolve_settings
from deeper.commands.execution.shipped import POLICY_TOKENS

PRESET: dict[str, Any] = {
    "users": 16,
    "calibration_users": 16,
    "max_persona_tokens": POLICY_TOKENS,
    "roles": ("future",),
}
WITH_RATINGS: dict[str, Any] = {"split": "all", "calibration": "on"}
"""More defaults with --ratings: users with their own file want to see all of their users, and no adapter was trained on
ratings that are distributed like theirs."""


@click.command("demo")
@settings_options(PRESET)
@CONFIG
@OUT
@UNTUNED
@FULL
@REUSE_SHARDS
@YES
def command(
    config: Path | None, out: Path | None, untuned: bool, full: bool, reuse_shards: bool, yes: bool, **flags: Any
) -> None:
    """Show a persona within a minute, then compare ways to update it.

    \b
    Examples:
      deeper demo
      deeper demo --users 4 --rounds 1
      deeper demo --ratings ratings.csv --item movie --scale 0.5:5:0.5

    First you see one user: ten ratings, the persona written from them, its predictions of the next ten ratings, and
    the refined persona. Then the demo compares all methods on 16 MovieLens users for four rounds. That takes three
    to twelve minutes on two cores. The first call downloads the small model (93 MB).

    It is deeper evaluate with smaller defaults. With --ratings, it first shows what it read, what it skips and how long
    the run will take. It then judges all users in your file (--split all), at most --users of them, and calibrates each
    user's predictions on the others (--calibration on).
    """  # noqa: D301 (click wants the character)
    settings = resolve_settings(config, given(flags), PRESET)
    if settings.ratings:
        settings = resolve_settings(config, given(flags), {**PRESET, **WITH_RATINGS})
    run(settings, out, Command("demo", untuned, full, yes, reuse_shards, has_preview=True))
