"""`deeper demo`."""

from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG, OUT, run
from deeper.cli.settings_options import given, settings_options

PRESET: dict[str, Any] = {
    "users": 16,
    "calibration_users": 16,
    "max_persona_tokens": 48,
    "roles": ("future",),
}


@click.command("demo")
@settings_options(PRESET)
@CONFIG
@OUT
def command(config: Path | None, out: Path | None, **flags: Any) -> None:
    """Refine personas of 16 real MovieLens users for four rounds with the embedded model.

    The same as deeper evaluate with smaller defaults: about twelve minutes on two older cores. The first call
    fetches the model (93 MB) into your cache.
    """
    run("demo", PRESET, config, out, given(flags))
