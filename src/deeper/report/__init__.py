"""Reports of results: terminal tables, HTML pages and figures."""

from deeper.report.terminal.tables import print_results

__all__ = ["print_results"]
