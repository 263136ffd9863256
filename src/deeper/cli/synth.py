"""`deeper synth`."""

from pathlib import Path

import click

OUT = click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write.")
SEED = click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Equal seeds give equal files."
)


@click.group("synth")
def command() -> None:
    """Make synthetic users with known taste and check them, or make synthetic raw files."""


@command.command("users")
@OUT
@click.option("--users", type=click.IntRange(2, 1_000_000), default=100, show_default=True, help="How many users.")
@click.option(
    "--windows", type=click.IntRange(2, 1000), default=7, show_default=True, help="Windows of 10 ratings each."
)
@SEED
def users(out: Path, users: int, windows: int, seed: int) -> None:
    """Make users whose taste is known, to test what measures it.

    \b
    Examples:
      deeper synth users --out planted
      deeper evaluate --data planted

    Each user has a level, a spread, kinds of items they like and dislike, and some drift. Writes behaviour.parquet,
    domain.toml and truth.parquet.
    """  # noqa: D301 (click wants the character)
    from deeper.behaviour.planted.plant import plant_users, write_planted

    planted = plant_users(users, windows, seed)
    write_planted(planted, out)
    click.echo(f"Wrote {planted.behaviour.num_rows} ratings of {users} users to {out}.")
    click.echo(f"Next: deeper evaluate --data {out}")


@command.command("check")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path, file_okay=False), help="A finished run on these users."
)
def check(folder: Path, run_folder: Path | None) -> None:
    """Check that the ratings show the taste that was planted, and what a run's personas recover of it.

    \b
    Examples:
      deeper synth check planted
      deeper synth check planted --run runs/planted

    FOLDER comes from deeper synth users. The truth and its noise say how far each mean may be off. Exit code 2 if one
    is further off. With --run also shows the level and the effect of liked kinds that its predictions have.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console

    from deeper.behaviour.planted.check import check_planted, read_planted
    from deeper.errors import UserError
    from deeper.evaluation.runs.load_run import load_run
    from deeper.evaluation.runs.planted_recovery import planted_recovery
    from deeper.report.terminal.planted import print_contrasts, print_recovery

    planted = read_planted(folder)
    contrasts = check_planted(planted)
    print_contrasts(contrasts, Console())
    if failed := [contrast.name for contrast in contrasts if not contrast.holds]:
        raise UserError(
            f"the ratings do not show what truth.parquet says: {'; '.join(failed)}",
            where=str(folder),
            do="make both again with deeper synth users",
        )
    if run_folder is not None:
        print_recovery(planted_recovery(load_run(run_folder), planted), Console())


@command.command("raw")
@click.argument("domain")
@click.option("--ratings", type=click.IntRange(1), default=200_000, show_default=True, help="Number of readable lines.")
@click.option("--format", "raw_format", default="", help="Raw format of the domain. Default: the most common.")
@click.option(
    "--bad-lines",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Bad lines in the ratings file. The file of titles gets a third as many.",
)
@OUT
@SEED
def raw(domain: str, ratings: int, raw_format: str, bad_lines: int, out: Path, seed: int) -> None:
    """Make synthetic raw files of DOMAIN, to test deeper prepare.

    \b
    Examples:
      deeper synth raw movielens_20m --ratings 20000000 --out made/movielens
      deeper synth raw amazon_books --format amazon_2023 --bad-lines 12 --out made/books
      deeper prepare amazon_books --raw made/books --out data/books

    The files have the format and quirks of the published ones. Also writes truth/: what must be found, rejected, merged
    or masked (truth.json), the users (users.parquet) and the clean titles (titles.parquet).
    """  # noqa: D301 (click wants the character)
    from deeper.prepare.synth.raw_files import write_raw

    truth = write_raw(domain, ratings, out, raw_format=raw_format, seed=seed, bad_lines=bad_lines).truth
    click.echo(f"Wrote {ratings:,} ratings of {truth['users']:,} users ({truth['format']}) to {out}.")
    click.echo(f"Next: deeper prepare {truth['domain']} --raw {out} --out OUT")
