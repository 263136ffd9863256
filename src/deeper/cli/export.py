"""`deeper export`."""

from pathlib import Path

import click

from deeper.commands.export.to_hub import KINDS
from deeper.commands.export.to_llamafactory import PUBLISHED_BASE, PUBLISHED_TEMPLATE

OUT = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="New folder to write."
)


@click.group("export")
def command() -> None:
    """Write files for LLaMA-Factory or the Hugging Face hub."""


@command.command("llamafactory")
@click.option(
    "--pairs",
    multiple=True,
    required=True,
    metavar="FOLDER",
    help="Folder of deeper pairs, or a data set on the hub. Once for iteration 1, a second time for iteration 2.",
)
@click.option("--model", default="", help=f"Base model: a name on the hub, or a folder.  [default: {PUBLISHED_BASE}]")
@click.option(
    "--template",
    default="",
    help=f"LLaMA-Factory's chat format.  [default: {PUBLISHED_TEMPLATE}; with --model, the tokeniser's own]",
)
@click.option(
    "--policy-adapter",
    default="",
    help="Adapter that iteration 1 continues, such as a cold-started policy.",
)
@OUT
def llamafactory(pairs: tuple[str, ...], model: str, template: str, policy_adapter: str, out: Path) -> None:
    """Write pairs and training files for LLaMA-Factory, with the published settings.

    \b
    Example:
      deeper export llamafactory --pairs runs/pairs --pairs runs/pairs-2 --out lf
      cd lf && llamafactory-cli train iteration_1.yaml && llamafactory-cli train iteration_2.yaml

    Writes the pairs, dataset_info.json, and a YAML file for each iteration.
    """  # noqa: D301 (click wants the character)
    from deeper.commands.export.to_llamafactory import export_llamafactory

    counts = export_llamafactory(pairs, out, model=model, template=template, policy_adapter=policy_adapter)
    click.echo("Pairs: " + "; ".join(f"{name} {count}" for name, count in counts.items()) + ".")
    for number in range(1, len(pairs) + 1):
        click.echo(f"Next, in {out}: llamafactory-cli train iteration_{number}.yaml")


@command.command("hub")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("source")
@click.option("--license", "license_id", default="other", show_default=True, help="Licence id, as the hub spells it.")
@click.option(
    "--base-model", default="", help="Name on the hub of an adapter's base model, if the adapter does not say."
)
@click.option(
    "--domains", default="", metavar="NAME,…", help="With windows or contexts: domains to keep. Default: all."
)
@OUT
def hub(kind: str, source: str, license_id: str, base_model: str, domains: str, out: Path) -> None:
    """Write a folder for the hub, with a card, ready to upload.

    \b
    Examples:
      deeper export hub windows movielens_small --out hub/windows
      deeper export hub pairs runs/pairs --out hub/pairs
      deeper export hub personas runs/r --out hub/personas
      deeper export hub adapter adapters/policy --license apache-2.0 --out hub/policy

    SOURCE is data (for windows and contexts), a folder of deeper pairs, a run folder (for personas), or an adapter.
    """  # noqa: D301 (click wants the character)
    from deeper.commands.export.to_hub import HubOptions, export_hub

    kept = tuple(name.strip() for name in domains.split(",") if name.strip())
    said = export_hub(kind, source, out, HubOptions(license_id, base_model, kept))
    click.echo(f"{kind}: {said}.")
    click.echo(f"Folder: {out}. Before you upload it, read its README.md, especially the terms.")
