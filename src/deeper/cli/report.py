"""`deeper report`."""

from pathlib import Path

import click

from deeper.errors import UserError


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--open", "is_opened", is_flag=True, help="Open the page in your browser.")
def command(run: Path, is_opened: bool) -> None:
    """Write the report of a finished run again: one page, and figures.

    \b
    Examples:
      deeper report runs/mine
      deeper report --open runs/demo-1a2b3c4d

    RUN is a run folder of deeper demo or deeper evaluate, which write the report too. report.html opens offline and
    loads nothing from the network. It shows the errors by round with intervals, the differences, cost and failures, and
    each user's personas with what changed and why. figures/ holds PNG and SVG files.

    The page contains your users' titles and ratings: share it only with those who may see them.
    """  # noqa: D301 (click wants the character)
    import webbrowser

    from deeper.report.write_report import write_report

    page = write_report(run)
    click.echo(f"Report: {page} (figures in {run / 'figures'})")
    if is_opened and not webbrowser.open(page.resolve().as_uri()):
        raise UserError("no browser can be started here", where=str(page), do="open the page yourself")
