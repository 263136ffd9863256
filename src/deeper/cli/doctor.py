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
@click.option(
    "--server",
    default=None,
    metavar="NAME=VALUE,…",
    help="With --engine openai:MODEL: how to call the server, as for --policy-server of deeper evaluate.",
)
def command(engine: str, adapter: str, server: str | None) -> None:
    """Check what works on this machine, and how to fix the rest.

    \b
    Examples:
      deeper doctor
      deeper doctor --engine openai:qwen2.5:7b --server url=http://localhost:11434/v1
      deeper doctor --engine embedded:models/mine.gguf

    Looks at disk, weights, engines and extras, and runs a short self-test of the embedded engine.

    Exit code 0 if the embedded engine (or the one that you name) works, 2 if not.
    """  # noqa: D301 (click wants the character)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from deeper.commands.doctor import examine, examine_engine
    from deeper.commands.evaluate.settings import resolve_settings

    if engine:
        given = resolve_settings(None, {} if server is None else {"policy_server": server})
        checks = examine_engine(engine, adapter, given.policy_server)
    else:
        checks = examine()
    table = Table("", "check", "finding", box=None, padding=(0, 1))
    for check in checks:
        table.add_row({"ok": "✓", "missing": "–", "broken": "✗"}[check.state], Text(check.name), Text(check.finding))
    Console().print(table)
    if any(check.state == "broken" for check in checks):
        raise SystemExit(2)
