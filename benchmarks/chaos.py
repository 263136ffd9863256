"""Disturb runs at random moments, and resume them: `docs/results/robustness.json`, part "chaos".

    python benchmarks/chaos.py --runs 50 --out docs/results/robustness.json     # Linux; as root the disk really is full

A command runs until it has used a random share of the processor time that it needs. Then one of three things happens:

- It is killed (SIGKILL).
- Its disk is full: a small tmpfs if this user may mount one, else a limit on the size of files.
- It gets no more memory: a limit on its address space.

A command that was not killed must finish, or end with one message that says what to do. Each folder is disturbed three
times. Then the command runs to its end. The folder must hold the same bytes as an undisturbed one, apart from costs and
times, and no half-written file. The exit status is 1 if it does not.

The commands run in processes forked from one that has imported them, because a start would cost more than the work.
Models are scripted, raw files synthetic.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.figure  # noqa: F401 (imported before the forks)
import pyarrow.compute  # noqa: F401

import deeper.report.write_report  # noqa: F401
from deeper.cli import evaluate, prepare, reward, sample  # noqa: F401
from deeper.cli.main import main as deeper_main
from deeper.commands.evaluate.evaluate import evaluate as evaluate_run  # noqa: F401
from deeper.commands.reward.reward import reward_directions  # noqa: F401
from deeper.commands.sample.sample import sample_directions  # noqa: F401
from deeper.prepare.all_domains import prepare_all  # noqa: F401
from deeper.prepare.synth.raw_files import write_raw
from deeper.storage.provenance import provenance
from robustness_results import write_part

DISTURBANCES = ("killed", "disk full", "out of memory")
DISTURBANCES_PER_FOLDER = 3
"""Disturbances of one folder before it is finished."""
DISK_BYTES = 64 << 20
STALLED_SECONDS = 120
"""A run that uses no processor time for so long is killed, and counts as a problem."""
STOOD_STILL = "stood still"
ENGINES = ("--policy-engine", "scripted", "--predictor-engine", "scripted")
NOT_RESULTS = ("cost", "manifest.json", "report.html", "prepare.json", "reward.json", "reward-cost.parquet", "figures")
"""Files with times, and pages drawn from results."""


@dataclass(frozen=True)
class Job:
    """A command to disturb.

    Attributes:
        name: The name of the command.
        words: What follows `deeper`.
        before: A command that must have run in its folder, if any.
    """

    name: str
    words: tuple[str, ...]
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code or minus the signal, its output, and the seconds of processor time."""

    code: int
    output: str
    seconds: float


def jobs(folder: Path) -> dict[str, Job]:
    """Return the commands. Each works in the folder `out` of the current one."""
    write_raw("amazon_books", 6_000, folder / "raw", raw_format="amazon_2023", bad_lines=6)
    some = ("--users", "6", "--max-persona-tokens", "40", *ENGINES)
    methods = "refine,hierarchical_merge,frozen,user_median"
    sampled = ("sample", "--directions", "3", *some, "--out", "out")
    prepared = ("--windows", "3", "--train-users", "6", "--eval-users", "4", "--key-file", "key")
    listed = (
        Job("evaluate", ("evaluate", "--rounds", "2", "--methods", methods, *some, "--out", "out")),
        Job("sample", sampled),
        Job("reward", ("reward", "out"), sampled),
        Job("prepare", ("prepare", "amazon_books", "--raw", str(folder / "raw"), *prepared, "--out", "out")),
    )
    return {job.name: job for job in listed}


def main() -> None:
    """Disturb, compare, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="disturbed runs")
    parser.add_argument("--commands", default="evaluate,sample,reward,prepare")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file whose part chaos is replaced")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unmounts the small disk
    out, origin = given.out.resolve() if given.out else None, provenance()
    with tempfile.TemporaryDirectory() as place, disk(Path(place) / "disk") as (ground, is_disk):
        found = chaos(given.commands.split(","), given.runs, given.seed, Path(place), ground, is_disk)
    print(json.dumps(found, indent=1))
    if out:
        write_part(out, "chaos", {**origin, "seed": given.seed, "runs": given.runs, **found})
    sys.exit(bool(found["problems"]))


def chaos(commands: Sequence[str], runs: int, seed: int, place: Path, ground: Path, is_disk: bool) -> dict[str, Any]:
    """Disturb runs of the commands in turn.

    Args:
        commands: Which of `jobs`.
        runs: How many disturbed runs.
        seed: Seed of disturbances and moments.
        place: Folder for files that are made once.
        ground: Folder for the runs.
        is_disk: Whether `ground` is a small disk of its own.
    """
    known, clock = jobs(place), random.Random(seed)
    counts: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    problems: list[str] = []
    expected: dict[str, tuple[dict[str, bytes], float]] = {}
    done = 0
    while done < runs:
        job = known[commands[counts["folders"] % len(commands)]]
        if job.name not in expected:
            ended = run_whole(job, place / "undisturbed" / job.name, place)
            expected[job.name] = results(place / "undisturbed" / job.name / "out"), ended.seconds
        folder, (wanted, needed) = ground / "run", expected[job.name]
        begin(job, folder, place)
        for _ in range(min(DISTURBANCES_PER_FOLDER, runs - done)):
            way = DISTURBANCES[done % len(DISTURBANCES)]
            ended = disturbed(job, folder, way, clock.uniform(0.02, 0.95) * needed, is_disk)
            done += 1
            outcome = outcome_of(ended)
            counts[f"{job.name}: {way}"] += 1
            outcomes[f"{way}: {outcome}"] += 1
            print(f"{done}/{runs} {job.name}, {way}: {outcome} {ended.output[-200:]!r}", file=sys.stderr, flush=True)
            if outcome in ("spoke unclearly", STOOD_STILL):
                problems.append(f"{job.name}, {way}: {ended.output[-1500:]}")
        counts["folders"] += 1
        ended = command(job.words, folder)
        differing = [f"does not finish: {ended.output[-1500:]}"] if ended.code else []
        differing += compared(wanted, results(folder / "out"))
        problems += [f"{job.name}: {one}" for one in differing]
        counts["same"] += not differing
        shutil.rmtree(folder)
    folders, same = counts.pop("folders"), counts.pop("same")
    return {
        "folders": folders,
        "folders_the_same": same,
        "disturbed": dict(sorted(counts.items())),
        "outcomes": dict(sorted(outcomes.items())),
        "disk_full_by": "tmpfs" if is_disk else "limit of a file's size",
        "problems": problems,
    }


def begin(job: Job, folder: Path, place: Path) -> None:
    """Make a folder in which the job can run. All folders have the same key, hence the same user ids."""
    folder.mkdir(parents=True)
    if (place / "key").is_file():
        shutil.copy(place / "key", folder / "key")
    if job.before:
        done = place / "before" / job.name
        if not done.is_dir():
            done.mkdir(parents=True)
            ended = command(job.before, done)
            assert not ended.code, ended.output
        shutil.copytree(done, folder, dirs_exist_ok=True)


def run_whole(job: Job, folder: Path, place: Path) -> Ended:
    """Run a job undisturbed."""
    begin(job, folder, place)
    ended = command(job.words, folder)
    assert not ended.code, ended.output
    if (folder / "key").is_file():
        shutil.copy(folder / "key", place / "key")
    return ended


def results(folder: Path) -> dict[str, bytes]:
    """Return the content of every result file, by name; results.json without cost."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files = {
        name: path.read_bytes()
        for name, path in found.items()
        if not (name.startswith(NOT_RESULTS) or name.endswith(".lock"))
    }
    if "results.json" in files:
        kept = {name: value for name, value in json.loads(files["results.json"]).items() if name != "cost"}
        files["results.json"] = json.dumps(kept).encode()
    return files


def compared(wanted: Mapping[str, bytes], got: Mapping[str, bytes]) -> list[str]:
    """Return what differs, in words."""
    problems = [f"{name} is missing" for name in wanted.keys() - got.keys()]
    problems += [f"{name} was left behind" for name in got.keys() - wanted.keys()]
    return problems + [f"{name} differs" for name in wanted.keys() & got.keys() if wanted[name] != got[name]]


def outcome_of(ended: Ended) -> str:
    """Return how a disturbed run ended, in words."""
    if ended.output == STOOD_STILL:
        return STOOD_STILL
    if ended.code == -signal.SIGKILL:
        return "killed"
    if ended.code < 0:
        return "died without a word"
    if not ended.code:
        return "finished"
    is_clear = ended.code == 2 and "deeper: " in ended.output and "\n  → " in ended.output
    return "spoke clearly" if is_clear and "Traceback" not in ended.output else "spoke unclearly"


def disturbed(job: Job, folder: Path, way: str, after_seconds: float, is_disk: bool) -> Ended:
    """Run a job, and disturb it after some seconds of processor time."""
    ballast = folder.parent / "ballast"

    def disturb(child: int) -> None:
        if way == "killed":
            os.kill(child, signal.SIGKILL)
        elif way == "out of memory":
            size = int(Path(f"/proc/{child}/statm").read_text("ascii").split()[0]) * resource.getpagesize()
            resource.prlimit(child, resource.RLIMIT_AS, (size, size))
        elif is_disk:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        else:
            resource.prlimit(child, resource.RLIMIT_FSIZE, (0, 0))

    ended = command(job.words, folder, disturb, after_seconds)
    ballast.unlink(missing_ok=True)
    return ended


def command(words: Sequence[str], folder: Path, disturb: Any = None, after_seconds: float = 0.0) -> Ended:
    """Run `deeper` in a folder, in a forked process; disturb it after some seconds of processor time."""
    with tempfile.TemporaryFile() as captured:
        child = os.fork()
        if not child:
            os.dup2(captured.fileno(), 1)
            os.dup2(captured.fileno(), 2)
            os.chdir(folder)
            sys.argv = ["deeper", *words]
            with contextlib.suppress(BaseException):
                try:
                    deeper_main()
                except SystemExit as stop:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(int(stop.code or 0))
            os._exit(70)
        moved, before = time.monotonic(), 0.0
        pid, still = 0, False
        while not pid:
            pid, status, used = os.wait4(child, os.WNOHANG)
            if disturb and not pid and processor_seconds(child) >= after_seconds:
                with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                    disturb(child)
                disturb = None
            if pid or processor_seconds(child) != before:
                moved, before = time.monotonic(), processor_seconds(child)
            elif time.monotonic() - moved > STALLED_SECONDS:
                os.kill(child, signal.SIGKILL)
                still = True
            time.sleep(0.01)  # the system's unit of processor time
        captured.seek(0)
        output = captured.read().decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, STOOD_STILL if still else output, used.ru_utime + used.ru_stime)


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def disk(place: Path) -> Iterator[tuple[Path, bool]]:
    """Yield a folder for runs, and whether it is a small disk of its own."""
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs"]
    try:
        is_disk = not subprocess.run(["mount", *options, place], capture_output=True, check=False).returncode
    except OSError:
        is_disk = False
    try:
        yield place, is_disk
    finally:
        if is_disk:
            subprocess.run(["umount", place], check=True)


if __name__ == "__main__":
    main()
