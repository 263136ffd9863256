"""`deeper models`."""

import click


@click.command("models")
def command() -> None:
    """List larger models to try.

    \b
    Example:
      deeper evaluate --policy-engine embedded:hf:OWNER/NAME/FILE.gguf

    Shows what to type, what each model needs, its licence, and whether it was measured. A tick marks the models that
    fit this machine.
    """  # noqa: D301 (click wants the character)
    from deeper.commands.models import SUGGESTIONS, room_here
    from deeper.storage.hub import megabytes

    room = room_here()
    memory = "unknown" if room.memory_bytes is None else megabytes(room.memory_bytes)
    click.echo(f"This machine: {memory} of memory, {megabytes(room.disk_bytes)} of free disk.\n")
    for model in SUGGESTIONS:
        click.echo(f"{'✓' if room.fits(model) else '–'} {model.spec}")
        click.echo(
            f"  {model.name}: {megabytes(model.download_bytes)} to download; needs {megabytes(model.memory_bytes)} of "
            f"memory and {megabytes(model.disk_bytes)} of disk\n"
            f"  licence: {model.licence}; its personas: {model.measured or 'not measured'}"
        )
    click.echo(
        "\nMemory and disk are estimates. Name a model as --policy-engine, --predictor-engine or both. The shipped "
        "adapters\ndo not fit it; they are left out for a role whose engine you name."
    )
