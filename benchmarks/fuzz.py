"""Fuzz every reader of foreign bytes, and keep the corpus: `docs/results/robustness.json`, part "fuzz".

    pip install -r benchmarks/fuzzing/requirements.txt
    python benchmarks/fuzz.py --minutes 10 --corpus runs/corpus --out docs/results/robustness.json
    python benchmarks/fuzz.py --minutes 1 --corpus runs/corpus --only own_csv,domain_toml

Atheris drives libFuzzer with the coverage of deeper's own Python code. An input that reaches a new line or branch is
kept in the corpus and changed further. The targets (`benchmarks/fuzzing`) share the time evenly. Each runs in its own
process, which is restarted if it dies.

Findings are a process that dies or hangs, any exception but `UserError`, and any value that differs when it is written
and read again. The shortest input of each kind of finding is kept in CORPUS/findings. The exit status is 1 if there are
any. The tests feed the same targets without atheris.
"""

import argparse
import hashlib
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent))
with atheris.instrument_imports(include=["deeper"], enable_loader_override=False):
    from deeper.storage.provenance import provenance
    from fuzzing import TARGETS, Target
    from fuzzing.runs import SHARED
    from fuzzing.target import feed

from robustness_results import write_part

MEMORY_BYTES = 6 << 30
"""Address space of a fuzzing process. More gives a MemoryError, which is a finding."""
LONGEST_INPUT_BYTES = 1 << 14
HANGING_SECONDS = 120
"""libFuzzer kills a process after so long: longer than `target.LONGEST_SECONDS`, which stops Python code."""
UNITS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
COVERAGE = re.compile(r"cov: (\d+)")


def main() -> None:
    """Fuzz, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="altogether")
    parser.add_argument("--corpus", type=Path, required=True, help="folder for inputs, by target")
    parser.add_argument("--only", default="", help="targets, separated by commas; all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help='JSON file; its part "fuzz" is replaced')
    given = parser.parse_args()
    chosen = [target for target in TARGETS if not given.only or target.name in given.only.split(",")]
    shutil.rmtree(given.corpus / "findings", ignore_errors=True)
    (given.corpus / "findings").mkdir(parents=True)
    origin = provenance()
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=base, prefix="fuzz-") as folder:
        tempfile.tempdir = os.environ[SHARED] = folder
        for target in chosen:
            found[target.name] = fuzz(target, given.corpus, 60 * given.minutes / len(chosen), given.seed)
            print(target.name, json.dumps(found[target.name]), flush=True)
    findings = sorted((given.corpus / "findings").glob("*.txt"))
    for finding in findings:
        print(finding, finding.read_text("utf-8"), sep="\n")
    if given.out:
        write_part(given.out, "fuzz", {**origin, "seed": given.seed, "minutes": given.minutes, "targets": found})
    sys.exit(bool(findings))


def fuzz(target: Target, corpus: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Fuzz one target for some seconds, and start again if the process dies."""
    own, output = corpus / target.name, Path(tempfile.gettempdir()) / "output"
    own.mkdir(exist_ok=True)
    began = time.monotonic()
    executed = coverage = died = 0
    while (left := seconds - (time.monotonic() - began)) > 1 or not executed + died:
        child = os.fork()
        if not child:
            in_child(target, corpus, max(left, 1), seed + died, output)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        text = output.read_text("utf-8", "replace")
        executed += sum(map(int, UNITS.findall(text)))
        coverage = max([coverage, *map(int, COVERAGE.findall(text))])
        if status:
            died += 1
            note(corpus, target.name, f"the process ended with {status}", b"", text[-3000:])
            if not UNITS.search(text):
                break
    findings = len(list((corpus / "findings").glob(f"{target.name}-*.txt")))
    took = round(time.monotonic() - began, 1)
    inputs = sum(1 for _ in own.iterdir())
    return {"inputs": executed, "seconds": took, "coverage": coverage, "corpus": inputs, "findings": findings}


def in_child(target: Target, corpus: Path, seconds: float, seed: int, output: Path) -> None:
    """Fuzz a target in this process until its time is up, then end the process."""
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    place = Path(tempfile.mkdtemp())
    read = target.make(place)
    for seed_input in target.seeds(place):
        (corpus / target.name / hashlib.sha1(seed_input).hexdigest()).write_bytes(seed_input)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    def once(data: bytes) -> None:
        try:
            feed(read, data)
        except Exception as error:
            note(corpus, target.name, _kind(error), data, traceback.format_exc())

    options = [f"-max_total_time={max(1, int(seconds))}", f"-timeout={HANGING_SECONDS}", f"-seed={seed}"]
    options += ["-rss_limit_mb=4096", "-print_final_stats=1", f"-max_len={LONGEST_INPUT_BYTES}"]
    options += [f"-artifact_prefix={corpus / 'findings' / target.name}-"]
    atheris.Setup([sys.argv[0], *options, str(corpus / target.name)], once)
    atheris.Fuzz()
    os._exit(1)  # libFuzzer ends the process itself


def note(corpus: Path, name: str, kind: str, data: bytes, details: str) -> None:
    """Write one file for a kind of finding, with its shortest input."""
    folder = corpus / "findings"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha1(kind.encode()).hexdigest()[:8]}"
    if not path.exists() or len(data) < path.stat().st_size:
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(f"{kind}\n{data[:400]!r}\n{details}", "utf-8", "replace")


def _kind(error: Exception) -> str:
    """Return the kind of a finding: the exception, and where in deeper it was raised."""
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(one.filename).name}:{one.lineno}" for one in frames if "/deeper/" in one.filename]
    message = str(error) if type(error).__name__ == "SilentChange" else ""
    return f"{type(error).__name__} {message} at {' '.join(places[-2:])}"


if __name__ == "__main__":
    main()
