"""`deeper train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deeper.cli.evaluate import CONFIG
from deeper.cli.options.from_settings import given, preset_option, settings_options
from deeper.commands.train.settings import DPO_PRESETS, PRESETS, ColdstartSettings, DpoSettings, PredictorSettings
from deeper.storage.settings import resolve

if TYPE_CHECKING:
    from rich.console import Console

OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the adapter. An interrupted training resumes in it.",
)
PRESET = preset_option(PRESETS, "small trains the small model; smoke a tiny random model, in seconds.")
DPO_PRESET = preset_option(
    DPO_PRESETS,
    "small trains the small model; paper the published model with the published settings; smoke a tiny random model, "
    "in seconds.",
)


@click.group("train")
def command() -> None:
    """Train the models that write and read personas. Needs the extra [train]."""


@command.command("predictor")
@settings_options({}, PredictorSettings)
@PRESET
@CONFIG
@OUT
def predictor(out: Path, config: Path | None, preset: str, **flags: Any) -> None:
    """Train a predictor to predict ratings from personas.

    \b
    Examples:
      deeper train predictor --out adapters/predictor
      deeper train predictor --data movielens_small,./my-ratings --steps 400 --out adapters/mine
      deeper train predictor --personas runs/r/personas.parquet --out adapters/of-policies

    Writes a LoRA adapter (PEFT), deeper.json and metrics.json.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.cli.options.training_progress import TrainingProgress
    from deeper.commands.train.from_behaviour import train_predictor

    settings = resolve(PredictorSettings, config, given(flags, PredictorSettings), PRESETS[preset])
    with TrainingProgress(Console(stderr=True)) as progress:
        metrics = train_predictor(settings, out, progress.show)
    last = metrics["validation"][-1]
    print_summary(Console(), out, metrics, {name: last[name] for name in ("mae", "user_median", "vs_user_median")})


@command.command("coldstart")
@settings_options({}, ColdstartSettings)
@PRESET
@CONFIG
@OUT
def coldstart(out: Path, config: Path | None, preset: str, **flags: Any) -> None:
    """Train a policy to write personas as the describer does.

    \b
    Example:
      deeper train coldstart --fold all --out adapters/policy

    The describer is a set of rules that puts a user's ratings into words. Writes a LoRA adapter (PEFT), deeper.json and
    metrics.json.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.cli.options.training_progress import TrainingProgress
    from deeper.commands.train.from_behaviour import train_coldstart

    settings = resolve(ColdstartSettings, config, given(flags, ColdstartSettings), PRESETS[preset])
    with TrainingProgress(Console(stderr=True)) as progress:
        metrics = train_coldstart(settings, out, progress.show)
    print_summary(Console(), out, metrics, {"loss": metrics["validation"][-1]["loss"]})


@command.command("dpo")
@settings_options(DPO_PRESETS["small"], DpoSettings)
@DPO_PRESET
@CONFIG
@OUT
def dpo(out: Path, config: Path | None, preset: str, **flags: Any) -> None:
    """Train a policy on preference pairs (DPO).

    \b
    Examples:
      deeper train dpo --pairs pairs/1 --policy-adapter adapters/policy --out adapters/policy-1
      deeper train dpo --pairs pairs/2 --policy-adapter adapters/policy-1 --reference base --out adapters/policy-2

    Writes a LoRA adapter (PEFT), deeper.json and metrics.json.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.cli.options.training_progress import TrainingProgress
    from deeper.commands.train.from_pairs import train_dpo
    from deeper.learning.training.processes import is_first_process

    settings = resolve(DpoSettings, config, given(flags, DpoSettings), DPO_PRESETS[preset])
    with TrainingProgress(Console(stderr=True)) as progress:
        metrics = train_dpo(settings, out, progress.show)
    if is_first_process():
        last = metrics["validation"][-1] if metrics["validation"] else {}
        validated = {name: last[name] for name in ("loss", "accuracy", "margin", "kl") if name in last}
        print_summary(Console(), out, metrics, validated)
        for alarm in metrics["alarms"]:
            Console(stderr=True).print(f"Alarm: {alarm}", markup=False, highlight=False, soft_wrap=True)


def print_summary(console: "Console", out: Path, metrics: dict[str, Any], validated: dict[str, float]) -> None:
    """Print how the training went, and where the adapter is."""
    figures = ", ".join(f"{name} {value:.4f}" for name, value in validated.items())
    validation = f" On validation users: {figures}." if validated else " There were no validation users."
    console.print(
        f"{metrics['steps']} steps in {metrics['seconds']:.0f} s.{validation}\n"
        f"Adapter: {out} (deeper.json, metrics.json)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
