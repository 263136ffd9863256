"""`deeper init-config`."""

from pathlib import Path

import click

from deeper.errors import UserError


@click.command("init-config")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default="deeper.toml")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(path: Path, force: bool) -> None:
    """Write all settings with their defaults and explanations to PATH (deeper.toml).

    \b
    Then: deeper evaluate --config deeper.toml
    """  # noqa: D301 (click wants the character)
    from deeper.pipeline.run_folder import write_atomically
    from deeper.pipeline.settings import Settings

    if path.exists() and not force:
        raise UserError("the file exists", where=str(path), do="choose another path or give --force")
    try:
        write_atomically(path, Settings().to_toml(comments=True).encode())
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", where=str(path), do="choose another path") from error
    click.echo(f"Wrote {path}. Edit it, then run: deeper evaluate --config {path}")
