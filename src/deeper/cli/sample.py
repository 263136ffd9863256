"""`deeper sample`."""

from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG, OUT, REUSE_SHARDS
from deeper.cli.options.exit_codes import exit_if_incomplete
from deeper.cli.options.from_settings import given, settings_options
from deeper.commands.sample.settings import SampleSettings


@click.command("sample")
@settings_options({}, SampleSettings)
@CONFIG
@OUT
@REUSE_SHARDS
def command(config: Path | None, out: Path | None, reuse_shards: bool, **flags: Any) -> None:
    """Sample refinements of train users' personas, to learn from.

    \b
    Examples:
      deeper sample --users 16 --directions 8 --max-persona-tokens 48 --out runs/directions
      deeper reward runs/directions

    Each sampled refinement is a direction; deeper reward comes next. The run folder holds contexts and directions as
    Parquet. Failures stay as rows; leaks and duplicates are marked. Stop it at any time: the same command resumes.
    Repeating a finished run calls no model, but it asks a server again for what failed.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.commands.sample.sample import sample_directions
    from deeper.errors import printable
    from deeper.report.failed import failed_lines
    from deeper.storage.settings import resolve

    settings = resolve(SampleSettings, config, given(flags, SampleSettings))
    folder = out or Path("runs") / f"sample-{settings.digest}"
    manifest = sample_directions(settings, folder, Console(stderr=True), reuse_shards=reuse_shards)
    counts = manifest["counts"]
    click.echo(
        f"{counts['directions']} directions for {counts['contexts']} contexts of {counts['users']} users: "
        f"{counts['failed']} failed, {counts['duplicates']} duplicates, {counts['leaking']} with a title or rating."
    )
    for method, own in counts["methods"].items() if len(counts["methods"]) > 1 else ():
        click.echo(
            f"{method}: {own['directions']} directions for {own['contexts']} contexts: {own['failed']} failed, "
            f"{own['duplicates']} duplicates, {own['leaking']} with a title or rating."
        )
    click.echo(f"Run folder: {folder} (contexts.parquet, directions.parquet, personas.parquet, manifest.json)")
    for line in failed_lines(manifest):
        click.echo(printable(line))
    exit_if_incomplete(counts["directions"] > counts["failed"])
    click.echo(f"Next: deeper reward {folder}")
