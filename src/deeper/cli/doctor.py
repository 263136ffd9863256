"""`deeper doctor`."""

import click


@click.command("doctor")
@click.option(
    "--engine",
    default="",
    metavar="NAME",
    help="Check this engine instead of the machine: openai:MODEL asks the server what it can do; any other engine, "
    "such as embedded:PATH.gguf, runs a short self-test.",
)
@click.option(
    "--adapter", default="", metavar="NAME", help="With --engine: an adapter for it, or a LoRA on the server."
)
def command(engine: str, adapter: str) -> None:
    """Check what works on this machine, and how to fix the rest.

    \b
    Examples:
      deeper doctor
      deeper doctor --engine openai:qwen2.5:7b
      deeper doctor --engine embedded:models/mine.gguf

    Looks at disk, weights, engines and extras, and runs a short self-test of the embedded engine.

    Exit code 0 if the embedded engine (or the one that you name) works, 2 if not.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from deeper.commands.doctor import examine, examine_engine

    checks = examine_engine(engine, adapter) if engine else examine()
    table = Table("", "check", "finding", box=None, padding=(0, 1))
    for check in checks:
        table.add_row({"ok": "✓", "missing": "–", "broken": "✗"}[check.state], Text(check.name), Text(check.finding))
    Console().print(table)
    if any(check.state == "broken" for check in checks):
        raise SystemExit(2)
