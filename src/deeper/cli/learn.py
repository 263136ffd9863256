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
    from deeper.commands.learn import layout
    from deeper.commands.learn.learn import Audience, learn
    from deeper.commands.pairs.settings import ITERATIONS
    from deeper.report.pages.learning import print_learning
    from deeper.storage.settings import resolve

    settings = resolve(LearnSettings, config, given(flags, LearnSettings), dict(PRESETS[preset]))
    console = Console(stderr=True)
    report = learn(settings, out, Audience(console, lambda: TrainingProgress(console), _write_pages), force)
    print_learning(report, Console())
    adapters = ", ".join(str(layout.policy_folder(out, iteration)) for iteration in ITERATIONS)
    click.echo(f"Adapters: {adapters}; report: {out} ({layout.REPORT}, {layout.PAGE})")


def _write_pages(folder: Path, report: Mapping[str, Any]) -> None:
    """The report, and that of each reward."""
    from deeper.commands.learn import layout
    from deeper.commands.reward import layout as reward_layout
    from deeper.report.pages.learning import page
    from deeper.report.pages.reality import page as reality
    from deeper.storage.atomic import write_atomically

    for found in report["iterations"]:
        run = layout.sampled_folder(folder, found["iteration"])
        if "reward" in found:
            content = json.loads((run / reward_layout.REPORT).read_text("utf-8"))
            write_atomically(run / reward_layout.PAGE, reality(content).encode())
    write_atomically(folder / layout.PAGE, page(report).encode())
