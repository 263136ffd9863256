"""`deeper init-config`."""

from pathlib import Path

import click

from deeper.errors import UserError

DOMAIN = "domain.toml"


@click.command("init-config")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--domain", is_flag=True, help="Write a description of your own domain instead.")
@click.option("--item", default="movie", show_default=True, help="With --domain: what an item is called.")
@click.option("--scale", default="1:5:1", show_default=True, help="With --domain: the scale as MIN:MAX:STEP.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(path: Path | None, domain: bool, item: str, scale: str, force: bool) -> None:
    """Write a configuration file that explains every setting.

    \b
    Examples:
      deeper init-config                                      then: deeper evaluate --config deeper.toml
      deeper init-config --domain my-ratings/domain.toml      then: deeper evaluate --data my-ratings

    PATH is deeper.toml by default. Engines, adapters and prompts are written as comments, because deeper uses its own
    adapters only if you set none of these. So are the settings that the adapters bring along, such as
    max_persona_tokens. Uncomment a line to choose.

    With --domain, PATH is domain.toml by default. It says what your items are called and how they are rated. Put it
    into the folder of behaviour.csv or behaviour.parquet.
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
        raise UserError("the file exists", where=str(path), do="choose another path, or overwrite it with --force")
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise UserError(
            f"it cannot be written ({error.strerror})", where=str(path), do="choose another path"
        ) from error
    use = f"--data {path.parent}, once your ratings are there too" if domain else f"--config {path}"
    click.echo(f"Wrote {path}. Edit it, then run: deeper evaluate {use}")
