"""`deeper demo`."""

from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG, OUT, YES, run
from deeper.cli.options.from_settings import given, settings_options
from deeper.commands.evaluate.settings import Settings, resolve_settings

PRESET: dict[str, Any] = {
    "users": 16,
    "calibration_users": 16,
    "max_persona_tokens": 72,
    "roles": ("future",),
}
OWN: dict[str, Any] = {"split": "all", "calibration": "on"}
"""More defaults with own ratings: whoever brings them wants to see all of their users, and no training knows how they
are distributed, perhaps on another scale."""


@click.command("demo")
@settings_options(PRESET)
@click.option("--untuned", is_flag=True, help="The small model as it is, without the adapters that the package brings.")
@CONFIG
@OUT
@YES
def command(config: Path | None, out: Path | None, untuned: bool, yes: bool, **flags: Any) -> None:
    """Refine personas of 16 real MovieLens users, or of your own, for four rounds with the embedded model.

    \b
    Examples:
      deeper demo
      deeper demo --untuned
      deeper demo --ratings ratings.csv --item movie --scale 0.5:5:0.5

    The same as deeper evaluate with smaller defaults: about twelve minutes on two older cores. The first call
    fetches the model (93 MB) into your cache. Personas are written and read with small-policy and small-predictor,
    adapters that the package brings, where you choose no engine, adapter or prompts. With your own ratings, a first
    look tells what was read, what will be skipped and why, and how long it will take; all users are judged (--split
    all), at most --users of them, and predictions are calibrated on others of them (--calibration on).
    """  # noqa: D301 (click wants the character)
    settings = resolve_settings(config, given(flags), PRESET)
    if settings.ratings:
        settings = resolve_settings(config, given(flags), {**PRESET, **OWN})
    run("demo", settings if untuned else with_shipped(settings), out, yes)


def with_shipped(settings: Settings) -> Settings:
    """The settings with the package's own adapter for each role whose engine, adapter and prompts nobody chose."""
    chosen = settings.model_fields_set
    roles = [role for role in ("policy", "predictor") if not chosen & {"prompts", f"{role}_engine", f"{role}_adapter"}]
    return settings.model_copy(update={f"{role}_adapter": f"small-{role}" for role in roles})
