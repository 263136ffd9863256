"""`deeper evaluate`."""

import hashlib
from pathlib import Path
from typing import Any

import click

from deeper.cli.options.from_settings import given, settings_options
from deeper.commands.evaluate.settings import Settings, resolve_settings

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
YES = click.option("--yes", is_flag=True, help="With ratings: do not ask before a long run, nor for a column.")


@click.command("evaluate")
@settings_options({})
@CONFIG
@OUT
@YES
def command(config: Path | None, out: Path | None, yes: bool, **flags: Any) -> None:
    """Refine personas of eval users round after round and judge each by the next, held-out window.

    \b
    Examples:
      deeper evaluate --users 16 --methods refine,frozen,user_median
      deeper evaluate --ratings ratings.csv --item movie --rounds 2 --out runs/mine
      deeper evaluate --policy-engine openai:gpt-4o-mini --predictor-engine openai:gpt-4o-mini --readout structured

    Prints a table; lower errors are better. The run folder holds a page to look at, report.html, figures, the personas,
    predictions and errors as Parquet, and results.json. A killed run continues where it was, and a finished one calls
    no model when it is repeated.
    """  # noqa: D301 (click wants the character)
    run("evaluate", resolve_settings(config, given(flags)), out, yes)


def run(name: str, settings: Settings, out: Path | None, yes: bool) -> None:
    """Look at own ratings first, evaluate, print, write the report."""
    from rich.console import Console

    from deeper.cli.options.own_ratings import ask_for_columns, is_asking, look_first
    from deeper.commands.evaluate.evaluate import evaluate
    from deeper.commands.evaluate.plan import make_plan
    from deeper.report.terminal.tables import print_results
    from deeper.report.write_report import write_report

    console = Console(stderr=True)
    if settings.ratings and is_asking(yes):
        settings = ask_for_columns(settings)
    digest = hashlib.blake2b(settings.to_toml().encode(), digest_size=4).hexdigest()
    folder = out or Path("runs") / f"{name}-{digest}"
    plan = make_plan(settings)
    if not (folder / "config.toml").exists():
        look_first(plan, console, is_asking(yes))
    results = evaluate(settings, folder, console, plan)
    print_results(results.as_json(), Console())
    page = write_report(folder)
    click.echo(f"Run folder: {folder} (results.json, personas.parquet, predictions.parquet, errors.parquet)")
    click.echo(f"Report: {page} (deeper report --open {folder}; figures in {folder / 'figures'})")
