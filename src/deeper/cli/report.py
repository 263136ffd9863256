"""`deeper report`."""

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
def command(run: Path) -> None:
    """Write the report of RUN anew, a finished run folder of deeper demo or deeper evaluate.

    \b
    Examples:
      deeper report runs/mine
      deeper report runs/demo-1a2b3c4d

    Both commands write it at their end, too: report.html, one page that opens offline and fetches nothing, and
    figures/ in PNG and SVG. The page shows the error by round with intervals, the differences, what the run cost and
    what failed, and each user's personas, what changed in them and why. It holds titles and ratings of your users:
    give it to nobody who may not see these.
    """  # noqa: D301 (click wants the character)
    from deeper.report.run import write_report

    click.echo(f"Report: {write_report(run)} (figures in {run / 'figures'})")
