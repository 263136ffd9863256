"""`deeper init-config`."""

from pathlib import Path

import click

from deeper.errors import UserError

DOMAIN = "domain.toml"


@click.command("init-config")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--domain", is_flag=True, help="Write what describes a domain of your own instead.")
@click.option("--item", default="movie", show_default=True, help="With --domain: what an item is called.")
@click.option("--scale", default="1:5:1", show_default=True, help="With --domain: the scale, as MIN:MAX:STEP.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(path: Path | None, domain: bool, item: str, scale: str, force: bool) -> None:
    """Write all settings with their defaults and explanations to PATH (deeper.toml).

    \b
    Examples:
      deeper init-config                                      then: deeper evaluate --config deeper.toml
      deeper init-config --domain my-ratings/domain.toml      then: deeper evaluate --data my-ratings

    With --domain, PATH (domain.toml) says what the items of your own data are called and how they are rated; each
    key is explained. It lies in one folder with behaviour.csv or behaviour.parquet.
    """  # noqa: D301 (click wants the character)
    from deeper.behaviour.own.ratings_file import own_domain
    from deeper.behaviour.own.scale import parse_scale
    from deeper.commands.evaluate.settings import Settings
    from deeper.commands.execution.shipped import DECIDING
    from deeper.domains.toml_text import domain_toml
    from deeper.storage.atomic import write_atomically

    path = path or Path(DOMAIN if domain else "deeper.toml")
    if domain:
        text = domain_toml(own_domain(item, parse_scale(scale)), comments=True)
    else:
        text = Settings().to_toml(comments=True)
        for name in DECIDING:  # to set one of them, even to its default, is to choose
            text = text.replace(f"\n{name} = ", f"\n# {name} = ")
    if path.exists() and not force:
        raise UserError("the file exists", where=str(path), do="choose another path or give --force")
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", where=str(path), do="choose another path") from error
    use = f"--data {path.parent}, which holds your ratings too" if domain else f"--config {path}"
    click.echo(f"Wrote {path}. Edit it, then run: deeper evaluate {use}")
