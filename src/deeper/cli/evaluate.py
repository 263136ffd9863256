"""`deeper evaluate`."""

import hashlib
from pathlib import Path
from typing import Any

import click

from deeper.cli.settings_options import given, settings_options
from deeper.pipeline.settings import Settings, resolve_settings

OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder; an interrupted run continues in it. Default: runs/NAME-HASH, where HASH is of the settings.",
)
CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of settings; flags win. Write one with deeper init-config.",
)


@click.command("evaluate")
@settings_options({})
@CONFIG
@OUT
def command(config: Path | None, out: Path | None, **flags: Any) -> None:
    """Refine personas of eval users round after round and judge each by the next, held-out window.

    \b
    Examples:
      deeper evaluate --users 16 --methods refine,frozen,user_median
      deeper evaluate --data ./my-ratings --rounds 2 --out runs/mine
      deeper evaluate --policy-engine openai:gpt-4o-mini --predictor-engine openai:gpt-4o-mini --readout structured

    Prints a table; lower errors are better. The run folder holds a page to look at, report.html, figures, the personas,
    predictions and errors as Parquet, and results.json. A killed run continues where it was, and a finished one calls
    no model when it is repeated.
    """  # noqa: D301 (click wants the character)
    run("evaluate", resolve_settings(config, given(flags)), out)


def run(name: str, settings: Settings, out: Path | None) -> None:
    """Evaluate, print, write the report; without a folder the settings name one."""
    from rich.console import Console

    from deeper.pipeline.evaluate import evaluate
    from deeper.report.run import write_report
    from deeper.report.terminal import print_results

    digest = hashlib.blake2b(settings.to_toml().encode(), digest_size=4).hexdigest()
    folder = out or Path("runs") / f"{name}-{digest}"
    results = evaluate(settings, folder, Console(stderr=True))
    print_results(results, Console())
    page = write_report(folder)
    click.echo(f"Run folder: {folder} (results.json, personas.parquet, predictions.parquet, errors.parquet)")
    click.echo(f"Report: {page} (open it in a browser; figures in {folder / 'figures'})")
