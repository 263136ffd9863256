"""`deeper evaluate`."""

from pathlib import Path
from typing import Any, NamedTuple

import click

from deeper.cli.options.exit_codes import exit_if_incomplete
from deeper.cli.options.from_settings import given, settings_options
from deeper.commands.evaluate.settings import Settings, resolve_settings

OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder. An interrupted run resumes in it. Default: runs/NAME-HASH; HASH depends on the settings.",
)
CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with settings. Flags override it. deeper init-config writes one.",
)
YES = click.option(
    "--yes", is_flag=True, help="With --ratings: do not ask which column is which, or before a long run."
)
UNTUNED = click.option(
    "--untuned",
    is_flag=True,
    help="Use the small model without the package's adapters. By default, they serve each role (policy, predictor) for "
    "which you choose no engine, adapter or prompts.",
)
REUSE_SHARDS = click.option(
    "--reuse-shards",
    is_flag=True,
    help="When you continue a run after a change of the code, keep the shards that the old code made.",
)
FULL = click.option("--full", is_flag=True, help="Print all tables instead of the summary.")


class Command(NamedTuple):
    """What the command line asks of a run besides its settings."""

    name: str
    untuned: bool
    full: bool
    yes: bool
    reuse_shards: bool
    has_preview: bool = False


@click.command("evaluate")
@settings_options({})
@CONFIG
@OUT
@UNTUNED
@FULL
@REUSE_SHARDS
@YES
def command(
    config: Path | None, out: Path | None, untuned: bool, full: bool, reuse_shards: bool, yes: bool, **flags: Any
) -> None:
    """Refine personas round by round and measure how well they predict.

    \b
    Examples:
      deeper evaluate --users 16 --methods refine,frozen,user_median
      deeper evaluate --ratings ratings.csv --item movie --rounds 2 --out runs/mine
      deeper evaluate --policy-engine openai:gpt-4o-mini --predictor-engine openai:gpt-4o-mini --readout structured

    Each persona is judged on the user's next ten ratings, which it has not seen. Lower errors are better.

    The small model uses adapters from the package (CC BY-NC 4.0, for research use only); --untuned turns them off.

    Prints a summary; --full prints all tables. The run folder holds report.html, figures, results.json, and the
    personas, predictions and errors as Parquet. Stop a run at any time: the same command resumes it. Repeating a
    finished run calls no model, but it asks a server again for what failed.
    """  # noqa: D301 (click wants the character)
    run(resolve_settings(config, given(flags)), out, Command("evaluate", untuned, full, yes, reuse_shards))


def run(settings: Settings, out: Path | None, asked: Command) -> None:
    """Evaluate, print the results and write the report; before that, show what is known already."""
    from rich.console import Console

    from deeper.cli.options.own_ratings import ask_about_ratings, is_asking, look_first
    from deeper.commands.evaluate.evaluate import evaluate
    from deeper.commands.evaluate.plan import make_plan
    from deeper.commands.evaluate.preview import preview
    from deeper.commands.execution.shipped import notes_on_shipped, with_shipped
    from deeper.report.terminal.preview import print_preview
    from deeper.report.terminal.summary import print_summary
    from deeper.report.terminal.tables import print_results
    from deeper.report.write_report import write_report
    from deeper.storage.run_folder import RunFolder

    console = Console(stderr=True)
    settings = with_shipped(settings, asked.untuned)
    if settings.ratings and is_asking(asked.yes):
        settings = ask_about_ratings(settings)
    folder = out or Path("runs") / f"{asked.name}-{settings.digest}"
    plan = make_plan(settings)
    RunFolder(folder, plan.settings)  # refuses a folder with other settings before the engines are asked anything
    for note in notes_on_shipped(settings, asked.untuned):
        click.echo(f"note: {note}", err=True)
    if not (folder / "config.toml").exists():
        look_first(plan, console, is_asking(asked.yes))
        if asked.has_preview:
            print_preview(preview(plan), console)
    results = evaluate(settings, folder, console, plan, reuse_shards=asked.reuse_shards)
    page = write_report(folder)  # before anything is printed: whoever reads the output may stop reading
    if asked.full:
        print_results(results.as_json(), Console())
    else:
        print_summary(results, Console())
    click.echo(f"Report: {page}")
    click.echo(f"Run folder: {folder}" + ("" if asked.full else " (--full prints all tables)"))
    exit_if_incomplete(results.is_complete)
