"""Record the README's terminal session as an animated SVG: from a clone to an opened report of your own ratings.

    python scripts/record.py docs/pictures/own-ratings.svg              # installs anew, runs the embedded model
    python scripts/record.py out.svg --policy-engine scripted --predictor-engine scripted

The commands and every printed line are real. The ratings are those of synthetic users (`deeper synth users`), in a CSV
file with its own column names. Arguments after the first go to `deeper demo`. Waiting is cut: the time of each command
stands below its output. Lines in the middle of long outputs are cut too. The "browser" accepts the address of the page
and does nothing. VENV may name an environment that has the package; then nothing is installed.
"""

import csv
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from deeper.behaviour.planted.plant import plant_users, write_planted

COLUMNS, ROWS = 100, 30
SIZE, LINE, WIDTH, EDGE = 13, 18, 7.83, 16
"""In pixels: type size, line height, width of a character, and the margin."""
LINE_SECONDS, COMMAND_SECONDS, END_SECONDS = 0.1, 1.2, 6
READ_SECONDS = {"This run writes": 4, "Report: ": 2}
"""How long the recording waits after a line that begins with this text."""
HEAD, TAIL = 46, 12
"""Lines shown of the beginning and of the end of an output."""
USERS, WINDOWS = 6, 5
CHECKOUT = Path(__file__).resolve().parents[1]


class Line(NamedTuple):
    """A line of the recording, the second it appears, and its kind: command, output or cut."""

    text: str
    at: float
    kind: str


def main() -> None:
    """Run the commands and write the picture."""
    out, *flags = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        picture = draw(record(Path(folder), flags))
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(picture, "utf-8")
    print(f"Wrote {out}.")


def record(folder: Path, flags: Sequence[str]) -> list[Line]:
    """Run the three commands in an empty folder, and return their lines."""
    write_ratings(folder / "ratings.csv")
    (folder / "deeper.git").symlink_to(CHECKOUT, target_is_directory=True)
    venv = os.environ.get("VENV", ".venv")
    clone = folder / "deeper"
    lines: list[Line] = []
    run("git clone deeper.git && cd deeper", folder, {}, lines)
    more = f" DEMO={shlex.quote(shlex.join(flags))}" if flags else ""
    run(f"make demo RATINGS=../ratings.csv ITEM=film{more}", clone, {"VENV": venv}, lines)
    [made] = (clone / "runs").iterdir()
    run(f"{venv}/bin/deeper report --open runs/{made.name}", clone, {"BROWSER": "true"}, lines)
    return lines


def write_ratings(path: Path) -> None:
    """Write ratings of synthetic users as somebody might keep them."""
    with tempfile.TemporaryDirectory() as folder:
        write_planted(plant_users(USERS, WINDOWS), Path(folder) / "planted")
        rows = pq.read_table(Path(folder) / "planted" / "behaviour.parquet").to_pylist()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["User ID", "Film", "Stars", "Date"])
        writer.writerows([row["user"], row["title"], f"{row['rating']:g}", row["time"].isoformat()] for row in rows)


def inherited() -> dict[str, str]:
    """The environment without the variables of an outer make; pip prints errors only."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")} | {
        "PIP_QUIET": "2"
    }


def run(command: str, folder: Path, environment: dict[str, str], lines: list[Line]) -> None:
    """Run a command, and append its lines."""
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**inherited(), "COLUMNS": str(COLUMNS), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = overwritten(done.stdout.decode("utf-8", "replace"))
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}:\n{output}")
    at = lines[-1].at + COMMAND_SECONDS if lines else 0.5
    lines.append(Line(f"$ {command}", at, "command"))
    at += COMMAND_SECONDS
    wrapped = [line[i : i + COLUMNS] for line in output.split("\n")[:-1] for i in range(0, max(1, len(line)), COLUMNS)]
    for text, kind in shortened(wrapped):
        lines.append(Line(text, at, kind))
        at += next((more for start, more in READ_SECONDS.items() if text.startswith(start)), LINE_SECONDS)
    lines.append(Line(f"({time.monotonic() - began:.0f} s)", at, "cut"))
    lines.append(Line("", at, "output"))


def overwritten(output: str) -> str:
    """Return an output as a terminal shows it: a carriage return overwrites its line."""
    return re.sub(r"[^\n]*\r(?!\n)", "", output)


def shortened(output: Sequence[str]) -> list[tuple[str, str]]:
    """Return the lines of an output, without the middle of a long one."""
    shown = [(text, "output") for text in output]
    missing = len(shown) - HEAD - TAIL
    return [*shown[:HEAD], (f"... {missing} lines ...", "cut"), *shown[-TAIL:]] if missing > 1 else shown


def draw(lines: Sequence[Line]) -> str:
    """Return an animated SVG that scrolls and repeats. It shows its end, still, to readers who want no motion."""
    whole = lines[-1].at + END_SECONDS
    last = -max(0, len(lines) - ROWS) * LINE
    moves = [(line.at, -(i + 1 - ROWS) * LINE) for i, line in enumerate(lines) if i >= ROWS]
    steps = "".join(f"{100 * at / whole:.3f}%{{transform:translateY({y}px)}}" for at, y in [(0.0, 0), *moves])
    still = f"transform:translateY({last}px)"
    style = (
        f"text{{font:{SIZE}px ui-monospace,Menlo,Consolas,monospace;white-space:pre;fill:#d6d9de;"
        f"animation-duration:{whole:.2f}s;animation-timing-function:step-end;animation-iteration-count:infinite}}"
        ".command{fill:#8fd19e;font-weight:bold}.cut{fill:#8b929c}"
        f"#all{{animation:scroll {whole:.2f}s step-end infinite}}@keyframes scroll{{{steps}100%{{{still}}}}}"
        f"@media(prefers-reduced-motion:reduce){{text,#all{{animation:none!important}}#all{{{still}}}}}"
    )
    texts: list[str] = []
    for i, line in enumerate(lines):
        share = 100 * line.at / whole
        style += f"@keyframes l{i}{{0%{{opacity:0}}{share:.3f}%{{opacity:1}}100%{{opacity:1}}}}"
        place = f'y="{EDGE + SIZE + i * LINE}" class="{line.kind}" style="animation-name:l{i}"'
        texts.append(f'<text x="{EDGE}" {place} xml:space="preserve">{escape(line.text)}</text>')
    width, height = round(COLUMNS * WIDTH) + 2 * EDGE, ROWS * LINE + 2 * EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img"><title>From a clone to an opened report of own ratings, in three commands</title>'
        f"<style>{style}</style>"
        f'<clipPath id="screen"><rect y="{EDGE}" width="{width}" height="{ROWS * LINE}"/></clipPath>'
        f'<rect width="{width}" height="{height}" rx="8" fill="#1c1f24"/>'
        f'<g clip-path="url(#screen)"><g id="all">{"".join(texts)}</g></g></svg>\n'
    )


if __name__ == "__main__":
    main()
