"""Results shown to people."""

from deeper.report.terminal.tables import print_results

__all__ = ["print_results"]
