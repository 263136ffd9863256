"""`deeper learn`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG
from deeper.cli.options.from_settings import given, preset_option, settings_options
from deeper.commands.learn.settings import PRESETS, LearnSettings


@click.command("learn")
@settings_options({}, LearnSettings)
@preset_option(
    PRESETS,
    "small learns with the small model, smoke with a tiny random one in a minute; paper has the published settings, "
    "for GPUs.",
)
@CONFIG
@click.option("--force", is_flag=True, help="Learn although deeper reward says that the reward is not to be trusted.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the adapters and the report; an interrupted run continues in it.",
)
def command(out: Path, force: bool, preset: str, config: Path | None, **flags: Any) -> None:
    """Teach the policy by its own refinements, in two iterations of sampling, rewarding, pairing and DPO.

    \b
    Examples:
      deeper learn --policy-adapter adapters/writer --predictor-adapter adapters/reader --out runs/learnt
      deeper learn --preset smoke --force --out runs/smoke

    Judges the policy on validation users before and after each iteration. Writes the adapters 1/policy and 2/policy,
    learn.json and report.html, which can be read while learning goes on. A killed run continues where it was.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.cli.options.training_progress import TrainingProgress
    from deeper.commands.learn.learn import Audience, learn
    from deeper.report.pages.learning import print_learning
    from deeper.storage.settings import resolve

    settings = resolve(LearnSettings, config, given(flags, LearnSettings), dict(PRESETS[preset]))
    console = Console(stderr=True)
    report = learn(settings, out, Audience(console, lambda: TrainingProgress(console), _write_pages), force)
    print_learning(report, Console())
    click.echo(f"Adapters: {out / '1/policy'}, {out / '2/policy'}; report: {out} (learn.json, report.html)")


def _write_pages(folder: Path, report: Mapping[str, Any]) -> None:
    """The report, and that of each reward."""
    from deeper.report.pages.learning import page
    from deeper.report.pages.reality import page as reality
    from deeper.storage.atomic import write_atomically

    for found in report["iterations"]:
        run = folder / str(found["iteration"]) / "sampled"
        if "reward" in found:
            write_atomically(
                run / "reward.html", reality(json.loads((run / "reward.json").read_text("utf-8"))).encode()
            )
    write_atomically(folder / "report.html", page(report).encode())
