"""`deeper export`."""

from pathlib import Path

import click

from deeper.commands.export.to_hub import KINDS
from deeper.commands.export.to_llamafactory import PUBLISHED_BASE, PUBLISHED_TEMPLATE

OUT = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write; a new one."
)


@click.group("export")
def command() -> None:
    """Write pairs for LLaMA-Factory, and data sets and adapters for the Hugging Face hub."""


@command.command("llamafactory")
@click.option(
    "--pairs",
    multiple=True,
    required=True,
    metavar="FOLDER",
    help="Pairs of iteration 1, and a second time those of iteration 2; folders of deeper pairs, or names on the hub.",
)
@click.option("--model", default="", help=f"Base model, a hub name or a folder.  [default: {PUBLISHED_BASE}]")
@click.option(
    "--template",
    default="",
    help=f"LLaMA-Factory's name of its chat format.  [default: {PUBLISHED_TEMPLATE}; with --model the tokeniser's own]",
)
@click.option("--policy-adapter", default="", help="Adapter that iteration 1 goes on with, such as a cold-started one.")
@OUT
def llamafactory(pairs: tuple[str, ...], model: str, template: str, policy_adapter: str, out: Path) -> None:
    """Write data, dataset_info.json and a YAML file for each iteration, with the published settings.

    \b
    Example:
      deeper export llamafactory --pairs runs/pairs --pairs runs/pairs-2 --out lf
      cd lf && llamafactory-cli train iteration_1.yaml && llamafactory-cli train iteration_2.yaml
    """  # noqa: D301 (click wants the character)
    from deeper.commands.export.to_llamafactory import export_llamafactory

    counts = export_llamafactory(pairs, out, model=model, template=template, policy_adapter=policy_adapter)
    click.echo("Pairs: " + "; ".join(f"{name} {count}" for name, count in counts.items()) + ".")
    for number in range(1, len(pairs) + 1):
        click.echo(f"Next, in {out}: llamafactory-cli train iteration_{number}.yaml")


@command.command("hub")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("source")
@click.option("--license", "license_id", default="other", show_default=True, help="The hub's id of a licence.")
@click.option(
    "--base-model", default="", help="The hub's name of an adapter's base model, if the adapter does not tell."
)
@click.option(
    "--domains", default="", metavar="A,B,…", help="Domains to keep, of windows and contexts; all by default."
)
@OUT
def hub(kind: str, source: str, license_id: str, base_model: str, domains: str, out: Path) -> None:
    """Write a folder that can be uploaded as it is, with a card: windows or contexts of data, pairs, personas, adapter.

    \b
    Examples:
      deeper export hub windows movielens_small --out hub/windows
      deeper export hub pairs runs/pairs --out hub/pairs
      deeper export hub personas runs/r --out hub/personas
      deeper export hub adapter adapters/policy --license apache-2.0 --out hub/policy
    """  # noqa: D301 (click wants the character)
    from deeper.commands.export.to_hub import HubOptions, export_hub

    kept = tuple(name.strip() for name in domains.split(",") if name.strip())
    said = export_hub(kind, source, out, HubOptions(license_id, base_model, kept))
    click.echo(f"{kind}: {said}.")
    click.echo(f"Folder: {out}. Read README.md, above all its terms, before you upload it.")
