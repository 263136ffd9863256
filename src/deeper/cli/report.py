"""`deeper report`."""

from pathlib import Path

import click

from deeper.errors import UserError


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--open", "is_opened", is_flag=True, help="Open the page in your browser.")
def command(run: Path, is_opened: bool) -> None:
    """Write the report of RUN anew, a finished run folder of deeper demo or deeper evaluate.

    \b
    Examples:
      deeper report runs/mine
      deeper report --open runs/demo-1a2b3c4d

    Both commands write it at their end, too: report.html, one page that opens offline and fetches nothing, and
    figures/ in PNG and SVG. The page shows the error by round with intervals, the differences, what the run cost and
    what failed, and each user's personas, what changed in them and why. It holds titles and ratings of your users:
    give it to nobody who may not see these.
    """  # noqa: D301 (click wants the character)
    import webbrowser

    from deeper.report.write_report import write_report

    page = write_report(run)
    click.echo(f"Report: {page} (figures in {run / 'figures'})")
    if is_opened and not webbrowser.open(page.resolve().as_uri()):
        raise UserError("no browser can be started here", where=str(page), do="open the page in one yourself")
