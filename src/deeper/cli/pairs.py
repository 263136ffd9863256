"""`deeper pairs`."""

from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG
from deeper.cli.options.from_settings import given, settings_options
from deeper.commands.pairs.settings import PairSettings


@click.command("pairs")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN…")
@settings_options({}, PairSettings)
@CONFIG
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="New folder for the pairs."
)
def command(runs: tuple[Path, ...], config: Path | None, out: Path, **flags: Any) -> None:
    """Pair good with bad refinements, to train a policy on.

    \b
    Examples:
      deeper pairs runs/directions --out runs/pairs
      deeper pairs runs/directions runs/second --iteration 2 --out runs/pairs-2
      deeper pairs runs/directions --tau-plus 0.2 --tau-minus -0.1 --margin 0.4 --margin-kind absolute --out runs/p

    Each RUN is a run folder of deeper sample and deeper reward. A chosen direction has a reward of at least τ⁺ and no
    leak; a rejected one has a reward of at most τ⁻. Writes train and validation pairs as Parquet (with rewards) and as
    JSON lines for TRL, and pairs.json.

    A RUN may also be a file of published pairs, in LLaMA-Factory's alpaca or sharegpt format. These are used as they
    are.
    """  # noqa: D301 (click wants the character)
    from deeper.commands.pairs.pairs import make_pairs
    from deeper.commands.pairs.published_pairs import take_published
    from deeper.errors import UserError
    from deeper.storage.settings import resolve

    settings = resolve(PairSettings, config, given(flags, PairSettings))
    are_files = [run.is_file() for run in runs]
    if any(are_files) and not all(are_files):
        raise UserError("run folders and files of published pairs cannot be mixed", do="call it once for each")
    report = take_published(settings, runs, out) if all(are_files) else make_pairs(settings, runs, out)
    train, held = report["counts"]["train"], report["counts"]["validation"]
    click.echo(
        f"{train['pairs']} pairs of {train['users']} {'prompts' if all(are_files) else 'users'} for training, "
        f"{held['pairs']} of {held['users']} others for validation."
    )
    click.echo(_left_out(report))
    if not held["pairs"]:
        click.echo("There are no validation pairs, so nothing will show whether training helps.")
    click.echo(f"Pairs: {out} (train.parquet, train.jsonl, validation.parquet, validation.jsonl, pairs.json)")
    click.echo(f"Next: deeper train dpo --pairs {out}")


def _left_out(report: dict[str, Any]) -> str:
    counts = report["counts"]
    if "rule" not in report:
        return f"Left out: {counts['same_text']} pairs with the same text on both sides."
    margins = ", ".join(f"{margin:.3f} ({name})" for name, margin in sorted(report["rule"]["margins"].items()))
    return (
        f"{counts['contexts_paired']} of {counts['contexts']} contexts have a pair; margin {margins}.\n"
        f"Directions: {counts['directions']} with a reward, {counts['positives']} good enough to choose, "
        f"{counts['negatives']} bad enough to reject. Left out: {counts['leaking']} good ones that leak, "
        f"{counts['duplicate']} duplicates, {counts['failed']} failed, {counts['unrewarded']} without a reward."
        + "".join(f"\n{_of_method(name, own)}" for name, own in report["methods"].items() if len(report["methods"]) > 1)
    )


def _of_method(name: str, counts: dict[str, int]) -> str:
    return (
        f"{name}: {counts['pairs'] - counts['surplus']} pairs of {counts['contexts']} contexts and "
        f"{counts['directions']} directions. Left out: {counts['leaking']} good ones that leak, {counts['duplicate']} "
        f"duplicates, {counts['failed']} failed, {counts['unrewarded']} without a reward; and {counts['surplus']} "
        "pairs, so that all updaters have equally many to learn from."
    )
