"""`deeper prepare`."""

from pathlib import Path
from typing import Any

import click

from deeper.cli.evaluate import CONFIG
from deeper.cli.options.from_settings import given, settings_options
from deeper.errors import printable
from deeper.prepare.settings import PrepareSettings


@click.command("prepare")
@click.argument("domain_name", metavar="[DOMAIN]", required=False)
@click.option("--all", "is_all", is_flag=True, help="Prepare every domain whose raw files are found.")
@settings_options({}, PrepareSettings)
@CONFIG
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write. An interrupted run resumes in it. With --all, it holds a folder for each domain.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Secret key for the new user ids, outside --out. Created if missing. Default: OUT.key beside OUT.",
)
@click.option("--published", is_flag=True, help="Also write the published layouts.")
@click.option(
    "--max-rejects",
    type=click.FloatRange(0, 1),
    default=0.001,
    show_default=True,
    help="Share of bad lines in a file that stops the run. Ten bad lines are always accepted, unless this is 0.",
)
@click.option(
    "--memory",
    type=click.FloatRange(0.5),
    default=2.0,
    show_default=True,
    metavar="GIB",
    help="Memory for the database in GiB. Beyond it, the database uses the disk of --out.",
)
def command(
    domain_name: str | None, is_all: bool, config: Path | None, out: Path, key_file: Path | None, published: bool,
    max_rejects: float, memory: float, **flags: Any,
) -> None:  # fmt: skip
    """Turn a domain's public raw files into windows and contexts.

    \b
    Examples:
      deeper prepare movielens_20m --raw downloads/ml-20m --out data/movielens_20m
      deeper prepare amazon_books --raw downloads --published --out data/books
      deeper prepare food_com --raw downloads --train-users 100 --eval-users 50 --windows 5 --out data/recipes
      deeper prepare --all --raw downloads --out data

    docs/domains.md says where to download the files, their terms, and what to cite. Bad lines go to rejects.parquet
    with a reason. Users are sampled by a hash of their raw id, and a secret key gives them new ids. Use the folder with
    deeper evaluate --data. Needs the extra [prepare].
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.errors import UserError, install_extra
    from deeper.storage.settings import resolve

    preset = {"domain": domain_name} if domain_name else {}
    settings = resolve(PrepareSettings, config, {**given(flags, PrepareSettings), **preset})
    if is_all == bool(settings.domain):
        raise UserError("give either a domain or --all", do="deeper prepare --help shows examples of both")
    if is_all and (settings.ratings or settings.meta):
        raise UserError("--ratings and --meta belong to one domain", do="leave out --all, or give only --raw")
    try:
        from deeper.prepare.all_domains import SUMMARY_COLUMNS, prepare_all, summary_rows
        from deeper.prepare.one_domain import Options, prepare
        from deeper.prepare.raw.find import NoRawFile
    except ImportError as error:
        raise UserError(
            f"deeper prepare needs packages that are not installed ({error.name})",
            do=install_extra("prepare"),
        ) from error
    key = key_file or out.with_name(f"{out.resolve().name}.key")
    options = Options(key, memory, max_rejects, published)
    console = Console(stderr=True)
    if is_all:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 1))
        for head in SUMMARY_COLUMNS:
            table.add_column(head)
        found = prepare_all(settings, out, options, console)
        for row in summary_rows(found):
            table.add_row(*map(Text, row))
        Console().print(table)
        failed = [name for name, why in found.items() if isinstance(why, UserError) and not isinstance(why, NoRawFile)]
        if failed:
            do = "fix what the table says; the same command prepares the rest"
            raise UserError(f"these domains could not be prepared: {', '.join(failed)}", where=settings.raw, do=do)
    else:
        _print_counts(prepare(settings, out, options, console))
    if key.exists():
        click.echo(f"Key of the user ids: {key}. Keep it away from the data, or delete it.")
    click.echo(f"Next: deeper inspect {out / 'DOMAIN' if is_all else out}")


def _print_counts(report: dict[str, Any]) -> None:
    ratings, sampled, categories = report["ratings"], report["sampled"], report["categories"]
    dropped = ", ".join(map(printable, categories["dropped"]))
    click.echo(
        f"{report['lines']:,} lines: {report['rejected']:,} bad, {ratings['repeats']:,} repeats merged "
        f"({ratings['exact_repeats']:,} exact), "
        f"{ratings['untitled']:,} without a title left out, {ratings['short']:,} of users with too few ratings.\n"
        f"{ratings['users_long']:,} of {ratings['users']:,} users fill {report['windows']} windows; sampled: "
        f"{sampled['train']:,} train, {sampled['eval']:,} eval (wanted {report['wanted']['train']:,} and "
        f"{report['wanted']['eval']:,}).\n"
        f"{report['tables']['behaviour']:,} ratings, {report['tables']['windows']:,} windows, "
        f"{report['tables']['contexts']:,} contexts.\n"
        f"{categories['items']:,} items have categories, {categories['categories']:,} in all"
        + (f"; left out, since nearly all items have them: {dropped}." if dropped else ".")
    )
