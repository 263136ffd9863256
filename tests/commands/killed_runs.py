"""Runs `deeper` undisturbed, then again with kills spread over everything that it writes, and lets it finish.

    python killed_runs.py FOLDER KILLS evaluate …

The runs' folders are FOLDER/undisturbed and FOLDER/killed. Each process is forked from this one, which has imported
what it needs: a start costs more than the work. Prints JSON: the exit code of each process, and the file at which each
was killed.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import deeper.engine.openvino.engine  # noqa: F401 (imported before the forks)
from deeper.cli import evaluate  # noqa: F401
from deeper.cli.main import main as deeper
from deeper.commands.evaluate.evaluate import evaluate as evaluate_run  # noqa: F401
from deeper.report import write_report
from deeper.storage import run_folder

BEFORE, HALFWAY, AFTER = "before it is written", "before it has its name", "after that"


def main() -> None:
    """Run, kill, finish, and print."""
    folder, kills, words = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    code, writes = run([*words, "--out", str(folder / "undisturbed")], folder / "writes.txt")
    codes, killed_at, reached = [code], list[str](), 0
    command = [*words, "--out", str(folder / "killed")]
    for number in range(kills):
        goal = round((number + 0.5) / kills * len(writes))
        moment = (BEFORE, HALFWAY, AFTER)[number % 3]
        code, files = run(command, folder / "writes.txt", max(1, goal - reached), moment)
        codes.append(code)
        killed_at.append(Path(files[-1]).relative_to(folder / "killed").as_posix())
        reached = goal
    code, _ = run(command, folder / "writes.txt")
    print(json.dumps({"codes": [*codes, code], "killed_at": killed_at}))


def run(words: Sequence[str], log: Path, left: int = 0, moment: str = "") -> tuple[int, list[str]]:
    """Run a command in a process of its own; return its exit code and the files that it has written.

    Args:
        words: What follows `deeper`.
        log: Where the process notes the files.
        left: At which file it is killed, counted from 1; 0 for none.
        moment: When, at that file.
    """
    log.write_text("", "utf-8")
    process = os.fork()
    if not process:
        code = 70
        try:
            deadly(log, left, moment)
            sys.argv = ["deeper", *words]
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            deeper()
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), log.read_text("utf-8").splitlines()


def deadly(log: Path, left: int, moment: str) -> None:
    """Note each file that this process writes, and let one of them be its last."""
    write = run_folder.write_atomically

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write_or_die(path: Path, content: bytes) -> None:
        nonlocal left
        left -= 1
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"{path}\n")
        if left == 0 and moment == BEFORE:
            die()
        if left == 0 and moment == HALFWAY:
            os.fsync = die
        write(path, content)
        if left == 0:
            die()

    for module in (run_folder, write_report):
        module.write_atomically = write_or_die


if __name__ == "__main__":
    main()
