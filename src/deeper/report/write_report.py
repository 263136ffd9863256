"""Write a run's report into its folder: the page, and figures for print."""

from pathlib import Path

from deeper.errors import UserError
from deeper.evaluation.runs.load_run import load_run
from deeper.report.figures import figures
from deeper.report.pages.run_page import page
from deeper.storage.atomic import write_atomically
from deeper.storage.layout import FIGURES_FOLDER, PAGE_FILE


def write_report(folder: Path) -> Path:
    """Write report.html, and figures in PNG and SVG, into the folder of a finished run.

    Args:
        folder: The run folder.

    Returns:
        The path of the page.

    Raises:
        UserError: The folder holds no finished run, or cannot be written.
    """
    run = load_run(folder)
    path = folder / PAGE_FILE
    try:
        write_atomically(path, page(run).encode())
        (folder / FIGURES_FOLDER).mkdir(exist_ok=True)
        for name, content in figures(run.results).items():
            write_atomically(folder / FIGURES_FOLDER / name, content)
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror or error})",
            where=str(folder),
            do=f"free space, then: deeper report {folder}",
        ) from error
    return path
