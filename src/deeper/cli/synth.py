"""`deeper synth`."""

from pathlib import Path

import click

OUT = click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write.")
SEED = click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed; the same gives the same."
)


@click.group("synth")
def command() -> None:
    """Make users whose taste is known, or raw files of which everything is known."""


@command.command("users")
@OUT
@click.option("--users", type=click.IntRange(2, 1_000_000), default=100, show_default=True, help="How many users.")
@click.option("--windows", type=click.IntRange(2, 1000), default=7, show_default=True, help="Windows of 10 each.")
@SEED
def users(out: Path, users: int, windows: int, seed: int) -> None:
    """Users with a known level, spread, liked and disliked kinds of items, and drift.

    Writes behaviour.parquet and domain.toml, which deeper evaluate --data reads, and truth.parquet beside them.
    """
    from deeper.behaviour.planted.plant import plant_users, write_planted

    planted = plant_users(users, windows, seed)
    write_planted(planted, out)
    click.echo(f"Wrote {planted.behaviour.num_rows} ratings of {users} users to {out}.")
    click.echo(f"Next: deeper evaluate --data {out}")


@command.command("raw")
@click.argument("domain")
@click.option(
    "--ratings", type=click.IntRange(1), default=200_000, show_default=True, help="Readable lines; any number."
)
@click.option("--format", "raw_format", default="", help="Raw format of the domain; its commonest by default.")
@click.option(
    "--bad-lines",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Lines of the ratings to be rejected; the file of titles gets a third as many.",
)
@OUT
@SEED
def raw(domain: str, ratings: int, raw_format: str, bad_lines: int, out: Path, seed: int) -> None:
    """Raw files of DOMAIN as they are published, made up, with their quirks and a truth to check a reader by.

    \b
    Examples:
      deeper synth raw movielens_20m --ratings 20000000 --out made/movielens
      deeper synth raw amazon_books --format amazon_2023 --bad-lines 12 --out made/books
      deeper prepare amazon_books --raw made/books --out data/books

    Writes the ratings and the meta file, and truth/: counts of all that must be found, rejected, merged or masked
    (truth.json), users (users.parquet) and clean titles (titles.parquet).
    """  # noqa: D301 (click wants the character)
    from deeper.prepare.synth.raw_files import write_raw

    truth = write_raw(domain, ratings, out, raw_format=raw_format, seed=seed, bad_lines=bad_lines).truth
    click.echo(f"Wrote {ratings:,} ratings of {truth['users']:,} users ({truth['format']}) to {out}.")
    click.echo(f"Next: deeper prepare {truth['domain']} --raw {out} --out OUT")
