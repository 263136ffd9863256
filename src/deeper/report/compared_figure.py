"""The differences of compared runs as a figure for print."""

from deeper.evaluation.runs.compared import Comparison
from deeper.report.figures import STYLE, Row, rows_figure, saved
from deeper.report.overview import MEANS
from deeper.report.palette import label


def comparison_figure(comparison: Comparison, kind: str) -> bytes:
    """Draw the differences to the reference at the last common round, with their intervals.

    Args:
        comparison: The comparison; it has at least one difference.
        kind: "png" or "svg".

    Returns:
        The content of the file.
    """
    from matplotlib import rc_context

    rows = [
        Row(entry.method, entry.difference.value, *entry.difference.ci, f"{entry.setting}: {label(entry.label)}")
        for entry in comparison.shown()
        if entry.difference is not None
    ]
    domain = comparison.domain
    title = f"Round {comparison.rounds}, {MEANS.get(domain, label(domain))}, {sum(comparison.users.values())} users"
    with rc_context(STYLE):
        figure = rows_figure({f"against {comparison.reference}": rows}, "difference of the error (MAE)", title)
        return saved(figure, kind)
