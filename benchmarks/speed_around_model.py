"""Parts of `speed.py` around the model: the start of the program, and memory and time of a run outside of it."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from deeper.engine.scripted.engine import ScriptedEngine
from speed_shared import Figure, Say, Sizes, Watched, figure, in_turns, planted_windows, run_planted, seconds

SMALL_RUN_USERS = 16
ALL_ROUNDS = {"rounds": 4}
"""Settings of the runs whose memory is measured: all methods, all rounds."""
HELP = "import sys; from deeper.cli.main import main; sys.argv = ['deeper', '--help']; main()"
LOADED = "import sys, deeper; print(*(name for name in sys.modules if name.split('.')[0] in {names}))"
ENGINES = {"openvino", "openvino_genai", "torch", "transformers", "openai", "numpy", "pyarrow"}
"""Modules that importing `deeper` must not load: engines and what they need."""


def start(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Measure the seconds of `deeper --help`, minus those of an interpreter that does nothing."""

    def process(code: str) -> Callable[[], float]:
        command = [sys.executable, "-c", code]
        return lambda: seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))

    sides = {"interpreter": process("pass"), "deeper --help": process(HELP)}
    for side in sides.values():
        side()  # the first run reads its files from the disk
    found = in_turns(sides, 5 * sizes.repeats, say)
    over = [b - a for a, b in zip(found["interpreter"], found["deeper --help"], strict=True)]
    command = [sys.executable, "-c", LOADED.replace("{names}", repr(ENGINES))]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    how = "Seconds of a process that runs deeper --help, minus those of one that does nothing, turn by turn."
    one = figure(over, 0.3, "lower", how)
    return {"help_seconds_over_bare": {**one, "holds": one["holds"] and not loaded, "engines_imported": loaded}}


def scale(sizes: Sizes, say: Say, engine_seconds_a_user: float) -> dict[str, Figure]:
    """Measure memory of a small and a large run with the scripted engine, and the time outside of the engine.

    Args:
        sizes: How much to measure.
        say: Prints progress.
        engine_seconds_a_user: The embedded engine's, in a run with the same settings (part `throughput`).
    """
    peaks: dict[bool, dict[int, float]] = {False: {}, True: {}}
    outside: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        windows = Path(folder) / "windows.parquet"
        pq.write_table(planted_windows(sizes.many, 32), windows)
        for with_model, found in peaks.items():
            for users in (SMALL_RUN_USERS, sizes.many):
                _, peak = _apart(windows, users, ALL_ROUNDS, with_model)
                found[users] = peak
                say(f"  {users} users, four rounds{', the model loaded' * with_model}: {peak:.0f} MB")
        for turn in range(sizes.repeats - 1 or 1):
            spent, _ = _apart(windows, sizes.many, {})
            outside.append(spent / sizes.many)
            say(f"  turn {turn + 1}, {sizes.many} users, one round: {spent:.1f} s outside")
    how = (
        f"Peak memory (VmHWM) of deeper evaluate with {sizes.many} users divided by that with {SMALL_RUN_USERS}. The "
        f"small model is loaded and asked as often in both: at every call of the run with {SMALL_RUN_USERS}, and at as "
        "many calls of the other. The answers are the scripted engine's. Both processes hold the windows of all users."
    )
    bare = (
        "The same without the model. What grows are the windows of eval users, and the tables of personas, predictions "
        "and errors, which a run holds until it writes them."
    )
    share = (
        f"Seconds per user outside of the scripted engine, in a run of {sizes.many} users, divided by the seconds per "
        "user of the embedded engine in a run with the same settings."
    )
    memory = {**_memory(peaks[True], how), "without_model": _memory(peaks[False], bare)}
    shares = [spent / engine_seconds_a_user for spent in outside]
    time = figure(shares, 0.05, "lower", share, users=sizes.many, rounds=1, methods="all")
    time["outside_seconds_a_user"] = [round(spent, 4) for spent in outside]
    time["engine_seconds_a_user"] = round(engine_seconds_a_user, 3)
    return {"memory_ratio_1000_vs_16": memory, "outside_engine_share": time}


def _memory(peaks: dict[int, float], how: str) -> Figure:
    few, many = peaks
    found = figure([peaks[many] / peaks[few]], 1.2, "lower", how, few=few, many=many, rounds=4, methods="all")
    return {**found, "megabytes": {str(users): round(peak) for users, peak in peaks.items()}}


class Forgetful(ScriptedEngine):
    """A scripted engine that forgets what it was asked, so that it does not grow."""

    def generate(self, *asked):  # noqa: D102 (as above)
        answers = super().generate(*asked)
        self.asked.clear()
        return answers

    def score(self, *asked):  # noqa: D102
        matrices = super().score(*asked)
        self.asked.clear()
        return matrices


class WithModel(Forgetful):
    """A scripted engine that also lets the embedded model work, and ignores its answers."""

    def __init__(self, every: int) -> None:
        """Load the model, and ask it at each `every`-th call. Other runs do not even import it."""
        from speed_engine import embedded

        super().__init__()
        self._model, self._every = embedded(), every
        self._calls = {"generate": count(), "score": count()}

    def generate(self, *asked):  # noqa: D102
        self._ask("generate", asked)
        return super().generate(*asked)

    def score(self, *asked):  # noqa: D102
        self._ask("score", asked)
        return super().score(*asked)

    def _ask(self, kind: str, asked: tuple[Any, ...]) -> None:
        if next(self._calls[kind]) % self._every == 0:
            getattr(self._model, kind)(*asked)


def _apart(windows: Path, users: int, settings: dict[str, Any], with_model: bool = False) -> tuple[float, float]:
    """Call `scripted_run` in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(scripted_run, windows, users, settings, with_model).result()


def scripted_run(windows: Path, users: int, settings: dict[str, Any], with_model: bool) -> tuple[float, float]:
    """Run, and return the seconds outside of the engine and the peak memory of the process in megabytes."""
    table = pq.read_table(windows)
    watched = Watched(WithModel(users // SMALL_RUN_USERS) if with_model else Forgetful(), notes=False)
    with tempfile.TemporaryDirectory() as folder:
        chosen = {"users": users, "calibration_users": 32, **settings}
        spent = run_planted(watched, table, Path(folder) / "run", **chosen)
    # VmHWM counts this program alone, not what its parent took before it started this one.
    [line] = [line for line in Path("/proc/self/status").read_text("utf-8").splitlines() if line.startswith("VmHWM")]
    return spent["all"] - watched.seconds, int(line.split()[1]) / 1000
