"""`deeper reward`."""

from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG, REUSE_SHARDS
from deeper.cli.options.exit_codes import exit_if_incomplete
from deeper.cli.options.from_settings import given, settings_options
from deeper.commands.reward.settings import RewardSettings


@click.command("reward")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@settings_options({}, RewardSettings)
@CONFIG
@REUSE_SHARDS
def command(run: Path, config: Path | None, reuse_shards: bool, **flags: Any) -> None:
    """Reward sampled refinements, and test whether the rewards are real.

    \b
    Examples:
      deeper reward runs/directions
      deeper reward runs/directions --reward crps --weights 0,1,1
      deeper reward runs/directions --reward crps_net
      deeper reward runs/directions --predictor-adapter predictors/a,predictors/b

    RUN is a run folder of deeper sample. A direction's reward is how much better than the old persona it predicts the
    previous, current and future windows. Writes rewards.parquet, reward.json and reward.html into RUN. Calling it again
    with another reward or other weights calls no model.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.commands.reward.reward import reward_directions
    from deeper.report.pages.reality import page, print_reality
    from deeper.storage.atomic import write_atomically
    from deeper.storage.layout import REWARD_PAGE_FILE
    from deeper.storage.settings import resolve

    settings = resolve(RewardSettings, config, given(flags, RewardSettings))
    report = reward_directions(settings, run, Console(stderr=True), reuse_shards=reuse_shards)
    write_atomically(run / REWARD_PAGE_FILE, page(report).encode())
    print_reality(report, Console())
    click.echo(f"Run folder: {run} (rewards.parquet, reward-predictions.parquet, reward.json, reward.html)")
    exit_if_incomplete(report["counts"]["directions"] > report["counts"]["unrewarded"])
