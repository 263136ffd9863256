"""`deeper learn`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG
from deeper.cli.options.exit_codes import exit_if_incomplete
from deeper.cli.options.from_settings import given, preset_option, settings_options
from deeper.commands.learn.settings import PRESETS, LearnSettings


@click.command("learn")
@settings_options({}, LearnSettings)
@preset_option(
    PRESETS,
    "small uses the small model; smoke a tiny random model, in a minute; paper the published settings, on GPUs.",
)
@CONFIG
@click.option("--force", is_flag=True, help="Learn even if deeper reward finds that its rewards are not reliable.")
@click.option(
    "--reuse-shards",
    is_flag=True,
    help="When you continue a run after a change of the code, keep the steps and shards that the old code made.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the adapters and the report. An interrupted run resumes in it.",
)
def command(out: Path, force: bool, reuse_shards: bool, preset: str, config: Path | None, **flags: Any) -> None:
    """Train the policy on its own refinements, in two iterations.

    \b
    Examples:
      deeper learn --policy-adapter adapters/policy --predictor-adapter adapters/predictor --out runs/learnt
      deeper learn --preset smoke --force --out runs/smoke

    Each iteration samples refinements, rewards them, pairs good with bad ones, and trains on the pairs (DPO). It judges
    the policy on validation users before and after. Writes the adapters 1/policy and 2/policy, learn.json and
    report.html, which you can open while it runs. Stop it at any time: the same command resumes.
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
    audience = Audience(console, lambda: TrainingProgress(console), _write_pages)
    report = learn(settings, out, audience, force, reuse_shards=reuse_shards)
    print_learning(report, Console())
    adapters = ", ".join(str(layout.policy_folder(out, iteration)) for iteration in ITERATIONS)
    click.echo(f"Adapters: {adapters}; report: {out} ({layout.REPORT}, {layout.PAGE})")
    exit_if_incomplete(all(None not in found["methods"].values() for found in report["validation"].values()))


def _write_pages(folder: Path, report: Mapping[str, Any]) -> None:
    """Write the page of the run, and one for each reward."""
    from deeper.commands.learn import layout
    from deeper.report.pages.learning import page
    from deeper.report.pages.reality import page as reality
    from deeper.storage.atomic import write_atomically
    from deeper.storage.layout import REWARD_PAGE_FILE, REWARD_REPORT_FILE

    for found in report["iterations"]:
        run = layout.sampled_folder(folder, found["iteration"])
        if "reward" in found:
            content = json.loads((run / REWARD_REPORT_FILE).read_text("utf-8"))
            write_atomically(run / REWARD_PAGE_FILE, reality(content).encode())
    write_atomically(folder / layout.PAGE, page(report).encode())
