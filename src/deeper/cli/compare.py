"""`deeper compare`."""

import json
from pathlib import Path

import click

from deeper.errors import UserError

KINDS = (".json", ".png", ".svg")


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--reference",
    default="",
    help="What to compare with. RUN: each method with the same one of that run. RUN:METHOD: everything with that "
    "method. Default: the first run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every round and domain, instead of the table.")
@click.option(
    "--out",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .json for every round and domain, .png or .svg for a figure. May be given several times.",
)
def command(runs: tuple[Path, ...], reference: str, as_json: bool, files: tuple[Path, ...]) -> None:
    """Compare finished runs, paired by user.

    \b
    Examples:
      deeper compare runs/small runs/large
      deeper compare runs/mine --reference mine:frozen
      deeper compare runs/old-1 runs/old-2 runs/new-1 runs/new-2 --out differences.svg

    RUNS are run folders of deeper demo or deeper evaluate. Runs that differ only in --seed count as one setting: a
    user's error is the mean over the seeds. Only windows that all runs judge count; a note says how many were left out.
    The table shows the last round that all runs have.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.evaluation.runs.compare_runs import compare_runs
    from deeper.report.compared_figure import comparison_figure
    from deeper.report.terminal.compared_runs import print_comparison
    from deeper.storage.atomic import write_atomically
    from deeper.storage.new_folder import not_written

    if unknown := [path for path in files if path.suffix not in KINDS]:
        raise UserError("no such kind of file", where=str(unknown[0]), do=f"end its name in {', '.join(KINDS)}")
    comparison = compare_runs(runs, reference)
    text = json.dumps(comparison.as_json(), indent=1, ensure_ascii=False) + "\n"
    for path in files:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_text = path.suffix == ".json"
            write_atomically(path, text.encode() if is_text else comparison_figure(comparison, path.suffix[1:]))
        except OSError as error:
            raise not_written(path, error) from error
    if as_json:
        click.echo(text, nl=False)
        return
    print_comparison(comparison, Console())
    for path in files:
        click.echo(f"Wrote {path}")
