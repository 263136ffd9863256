"""`deeper synth`."""

from pathlib import Path

import click


@click.group("synth")
def command() -> None:
    """Make users whose taste is known, to test what measures them."""


@command.command("users")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write.")
@click.option("--users", type=click.IntRange(2, 1_000_000), default=100, show_default=True, help="How many users.")
@click.option("--windows", type=click.IntRange(2, 1000), default=7, show_default=True, help="Windows of 10 each.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed; the same gives the same.")
def users(out: Path, users: int, windows: int, seed: int) -> None:
    """Users with a known level, spread, liked and disliked kinds of items, and drift.

    Writes behaviour.parquet and domain.toml, which deeper evaluate --data reads, and truth.parquet beside them.
    """
    from deeper.behaviour.planted import plant_users, write_planted

    planted = plant_users(users, windows, seed)
    write_planted(planted, out)
    click.echo(f"Wrote {planted.behaviour.num_rows} ratings of {users} users to {out}.")
    click.echo(f"Next: deeper evaluate --data {out}")
