"""`deeper inspect`."""

from pathlib import Path

import click


@click.command("inspect")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--html", "page_file", type=click.Path(path_type=Path, dir_okay=False), help="Page with plots to write.")
def command(folder: Path, page_file: Path | None) -> None:
    """Look at FOLDER: counts, histograms, lengths, odd titles, time span (needs the extra [prepare]).

    \b
    Examples:
      deeper inspect data/movielens_20m
      deeper inspect data/books --html books.html

    FOLDER is one that deeper prepare or deeper synth users has made, or your own with behaviour.parquet.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.errors import UserError
    from deeper.report.pages.inspected import page, print_inspected
    from deeper.storage.atomic import write_atomically
    from deeper.storage.new_folder import not_written

    try:
        from deeper.prepare.inspect import inspect
    except ImportError as error:
        raise UserError(
            f"looking at data needs packages that are not installed ({error.name})",
            do='install the extra: pip install "deeper-persona[prepare]"',
        ) from error
    found = inspect(folder)
    print_inspected(found, Console())
    if page_file is not None:
        try:
            write_atomically(page_file, page(found).encode())
        except OSError as error:
            raise not_written(page_file, error) from error
        click.echo(f"Page: {page_file}")
