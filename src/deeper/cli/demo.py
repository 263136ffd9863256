"""`deeper demo`."""

from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG, OUT, run
from deeper.cli.settings_options import given, settings_options
from deeper.pipeline.settings import Settings, resolve_settings

PRESET: dict[str, Any] = {
    "users": 16,
    "calibration_users": 16,
    "max_persona_tokens": 72,
    "roles": ("future",),
}


@click.command("demo")
@settings_options(PRESET)
@click.option("--untuned", is_flag=True, help="The small model as it is, without the adapters that the package brings.")
@CONFIG
@OUT
def command(config: Path | None, out: Path | None, untuned: bool, **flags: Any) -> None:
    """Refine personas of 16 real MovieLens users for four rounds with the embedded model.

    The same as deeper evaluate with smaller defaults: about twelve minutes on two older cores. The first call
    fetches the model (93 MB) into your cache. It writes and reads personas with the adapters small-policy and
    small-predictor, unless you choose another engine, adapter or prompts, or --untuned.
    """
    settings = resolve_settings(config, given(flags), PRESET)
    run("demo", settings if untuned else with_shipped(settings), out)


def with_shipped(settings: Settings) -> Settings:
    """The settings with the package's own adapters for each role whose engine, adapter and prompts nobody chose."""
    chosen = settings.model_fields_set
    roles = [role for role in ("policy", "predictor") if not chosen & {"prompts", f"{role}_engine", f"{role}_adapter"}]
    return settings.model_copy(update={f"{role}_adapter": f"small-{role}" for role in roles})
