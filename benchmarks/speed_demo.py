"""The part of `speed.py` about `deeper demo`: its time against that of an earlier commit, and its peak memory."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from speed_shared import Figure, Say, Sizes, figure

BEFORE = "2b84f251450b"
"""The commit before models computed in bfloat16 and took only the memory that they need."""
USERS = 8
"""Half of the demo's users: enough for full shards."""
ROOT = Path(__file__).resolve().parents[1]
DEMO = """
import atexit, sys
from pathlib import Path
from deeper.cli.main import main

def keep_peak():
    [line] = [line for line in Path("/proc/self/status").read_text("utf-8").splitlines() if line.startswith("VmHWM")]
    Path(sys.argv[-1], "peak").write_text(line.split()[1], "utf-8")

atexit.register(keep_peak)
main()
"""


def demo(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Measure the seconds of the demo's stages, divided by those of the commit `BEFORE`, and the peak memory."""
    with tempfile.TemporaryDirectory() as place:
        before = Path(place) / "before"
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", before, BEFORE], cwd=ROOT, check=True)
        try:
            then, _ = run(before, Path(place) / "then", sizes)
            now, peak = run(ROOT, Path(place) / "now", sizes)
            say(f"  {then:.0f} s before, {now:.0f} s now, peak {peak:.2f} GiB")
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)
    how = (
        f"Seconds in the stages of deeper demo with {USERS} users, divided by those of commit {BEFORE} on the same "
        "machine. Each is a new process, otherwise with its default settings."
    )
    most = "Peak memory (VmHWM) of the process that runs deeper demo, in GiB. The model's mapped files count too."
    return {
        "demo_vs_before": figure([now / then], 0.6, "lower", how, users=USERS, seconds=[round(then), round(now)]),
        "peak_gib_demo": figure([peak], 2.0, "lower", most, users=USERS),
    }


def run(checkout: Path, out: Path, sizes: Sizes) -> tuple[float, float]:
    """Run the demo of a checkout; return the seconds in its stages, and its peak memory in GiB."""
    small = ("--users", "2", "--rounds", "1") if sizes.repeats == 1 else ("--users", str(USERS))
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    out.mkdir(parents=True)
    command = [sys.executable, "-c", DEMO, "demo", *small, "--out", out]
    done = subprocess.run(command, cwd=out, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"deeper demo of {checkout} failed: {done.stderr[-2000:]}")
    spent = sum(pc.sum(pq.read_table(path)["seconds"]).as_py() for path in out.glob("cost/*.parquet"))
    return spent, int((out / "peak").read_text("utf-8")) / 2**20
