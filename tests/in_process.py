"""Runs the project's scripts and benchmarks in this process: a start of Python takes longer than most of them."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from unittest.mock import patch


def run_main(main: Callable[[], object], *words: object) -> subprocess.CompletedProcess[str]:
    """Call a script's `main` as its command line does: what it prints, and the exit status."""
    out, said, code = io.StringIO(), io.StringIO(), 0
    argv = ["script.py", *map(str, words)]
    with patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = main() or 0
        except SystemExit as stop:
            code = stop.code or 0
    if isinstance(code, str):
        said.write(f"{code}\n")
        code = 1
    assert isinstance(code, int)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), said.getvalue())
