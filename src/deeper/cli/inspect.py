"""`deeper inspect`."""

from pathlib import Path

import click


@click.command("inspect")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--html", "page_file", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with plots.")
def command(folder: Path, page_file: Path | None) -> None:
    """Show what a data folder contains.

    \b
    Examples:
      deeper inspect data/movielens_20m
      deeper inspect data/books --html books.html

    Shows counts, histograms, lengths, odd titles and the time span. FOLDER comes from deeper prepare or deeper synth
    users, or is your own with behaviour.parquet. Needs the extra [prepare].
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.errors import UserError, install_extra
    from deeper.report.pages.inspected import page, print_inspected
    from deeper.storage.atomic import write_atomically
    from deeper.storage.new_folder import not_written

    try:
        from deeper.prepare.inspect import inspect
    except ImportError as error:
        raise UserError(
            f"deeper inspect needs packages that are not installed ({error.name})",
            do=install_extra("prepare"),
        ) from error
    found = inspect(folder)
    print_inspected(found, Console())
    if page_file is not None:
        try:
            write_atomically(page_file, page(found).encode())
        except OSError as error:
            raise not_written(page_file, error) from error
        click.echo(f"Page: {page_file}")
