"""What does a larger model cost? Time, memory and disk of converting a GGUF file, and of a small run with it.

    python benchmarks/conversion.py FILE.gguf [FILE.gguf …] --out docs/results/conversion.json

Each step runs in a process of its own, and its peak memory counts mapped files too. The run is `deeper evaluate` with
two bundled users and one round, the model in both roles, without adapters. Its personas are not judged here. The rates
in `deeper.engine.openvino.cost` are rounded up from these figures.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gguf import GGUFReader

from deeper.storage.atomic import write_atomically
from deeper.storage.provenance import provenance

START = "import sys; from deeper.engine.registry import make_engine; make_engine('embedded:' + sys.argv[1])"
RUN = ("evaluate", "--users", "2", "--rounds", "1", "--methods", "refine,user_median", "--untuned",
       "--calibration", "off")  # fmt: skip


def main() -> None:
    """Measure each file, print a line for each, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    origin = provenance()
    models: list[dict[str, Any]] = []
    for file in given.files:
        with tempfile.TemporaryDirectory() as folder:
            models.append(measured(file.resolve(), Path(folder)))
        write_atomically(given.out, json.dumps({**origin, "seed": 1, "models": models}, indent=1).encode() + b"\n")


def measured(file: Path, folder: Path) -> dict[str, Any]:
    """Return the figures of one file; `folder` is the cache of its weights."""
    weights = sum(tensor.n_elements for tensor in GGUFReader(file).tensors)
    convert = timed([sys.executable, "-c", START, str(file)], folder)
    disk = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    start = timed([sys.executable, "-c", START, str(file)], folder)
    engines = [f"--{role}-engine=embedded:{file}" for role in ("policy", "predictor")]
    run = timed([sys.executable, "-m", "deeper.cli.main", *RUN, *engines, "--out", str(folder / "run")], folder)
    found = {
        "file": file.name,
        "file_bytes": file.stat().st_size,
        "weights": weights,
        "disk_bytes": disk,
        "convert": convert,
        "start": start,
        "run": run,
    }
    print(json.dumps(found), flush=True)
    return found


def timed(command: list[str], cache: Path) -> dict[str, float]:
    """Run a command; return its seconds and its peak memory in bytes."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, "DEEPER_CACHE": str(cache)}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"ended with {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    return {"seconds": round(time.perf_counter() - began, 1), "memory_bytes": usage.ru_maxrss * 1024}


if __name__ == "__main__":
    main()
