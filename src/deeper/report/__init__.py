"""Results shown to people."""

from deeper.report.terminal import print_results

__all__ = ["print_results"]
