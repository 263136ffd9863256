"""`deeper doctor`."""

import click


@click.command("doctor")
def command() -> None:
    """Check what works on this machine, and how to fix the rest.

    Looks at disk, weights, engines and extras, and runs a short self-test.

    Exit code 0 if the embedded engine works, 2 if not.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from deeper.commands.doctor import examine

    checks = examine()
    table = Table("", "check", "finding", box=None, padding=(0, 1))
    for check in checks:
        table.add_row({"ok": "✓", "missing": "–", "broken": "✗"}[check.state], Text(check.name), Text(check.finding))
    Console().print(table)
    if any(check.state == "broken" for check in checks):
        raise SystemExit(2)
