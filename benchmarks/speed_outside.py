"""Parts of `speed.py` around the model: how soon the program is there, how much memory a run takes, and its time."""

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
from speed_cases import Figure, Say, Sizes, Watched, figure, in_turns, planted_windows, run_planted, seconds

FEW = 16
WHOLE_RUN = {"rounds": 4}
"""Of the runs whose memory is measured: all methods, all rounds."""
HELP = "import sys; from deeper.cli.main import main; sys.argv = ['deeper', '--help']; main()"
LOADED = "import sys, deeper; print(*(name for name in sys.modules if name.split('.')[0] in {names}))"
ENGINES = {"openvino", "openvino_genai", "torch", "transformers", "openai", "numpy", "pyarrow"}
"""What importing `deeper` must not load: engines, and what they stand on."""


def start(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Seconds from nothing to the end of `deeper --help`, over those of an interpreter that does nothing."""

    def process(code: str) -> Callable[[], float]:
        command = [sys.executable, "-c", code]
        return lambda: seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))

    sides = {"interpreter": process("pass"), "deeper --help": process(HELP)}
    for side in sides.values():
        side()  # the first of each reads its files from the disk
    found = in_turns(sides, 5 * sizes.repeats, say)
    over = [b - a for a, b in zip(found["interpreter"], found["deeper --help"], strict=True)]
    command = [sys.executable, "-c", LOADED.replace("{names}", repr(ENGINES))]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    how = "Seconds of a process that runs deeper --help, less those of one that does nothing, turn by turn."
    one = figure(over, 0.3, "lower", how)
    return {"help_seconds_over_bare": {**one, "holds": one["holds"] and not loaded, "engines_imported": loaded}}


def scale(sizes: Sizes, say: Say, engine_seconds_a_user: float) -> dict[str, Figure]:
    """Memory of runs of few and of many users with the scripted engine, and their time outside of it.

    Args:
        sizes: How much.
        say: Tells what is going on.
        engine_seconds_a_user: Of a run of the embedded engine with the same settings (the part `throughput`).
    """
    peaks: dict[bool, dict[int, float]] = {False: {}, True: {}}
    outside: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        windows = Path(folder) / "windows.parquet"
        pq.write_table(planted_windows(sizes.many, 32), windows)
        for with_model, found in peaks.items():
            for users in (FEW, sizes.many):
                _, peak = _apart(windows, users, WHOLE_RUN, with_model)
                found[users] = peak
                say(f"  {users} users, four rounds{', the model loaded' * with_model}: {peak:.0f} MB")
        for turn in range(sizes.repeats - 1 or 1):
            spent, _ = _apart(windows, sizes.many, {})
            outside.append(spent / sizes.many)
            say(f"  turn {turn + 1}, {sizes.many} users, one round: {spent:.1f} s outside")
    how = (
        f"Peak memory of the process of deeper evaluate (VmHWM) judging {sizes.many} users by that of {FEW}, the small "
        f"model in the process. It is asked all that the run of {FEW} asks, and as many of the other's calls, spread "
        "over it; the answers are the scripted engine's. Both processes hold the same data, windows of all users."
    )
    bare = (
        "The same without the model. What grows are the windows of those who are judged, and the tables of personas, "
        "predictions and errors, which a run holds until it writes them."
    )
    share = (
        f"Seconds a user outside of the scripted engine, in a run of {sizes.many} users, by the seconds a user that "
        "the embedded engine works in a run with the same settings."
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
    """A scripted engine that keeps no list of what it was asked, so that it does not grow."""

    def generate(self, *asked):  # noqa: D102 (as above)
        answers = super().generate(*asked)
        self.asked.clear()
        return answers

    def score(self, *asked):  # noqa: D102
        matrices = super().score(*asked)
        self.asked.clear()
        return matrices


class WithModel(Forgetful):
    """One that lets the embedded model work, too, and forgets its answers."""

    def __init__(self, every: int) -> None:
        """Load the model, to be asked at the first of so many calls; the other runs do not even import what runs it."""
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
    """`scripted_run` in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(scripted_run, windows, users, settings, with_model).result()


def scripted_run(windows: Path, users: int, settings: dict[str, Any], with_model: bool) -> tuple[float, float]:
    """A run's seconds outside of the engine, and the peak of the process in megabytes."""
    table = pq.read_table(windows)
    watched = Watched(WithModel(users // FEW) if with_model else Forgetful(), notes=False)
    with tempfile.TemporaryDirectory() as folder:
        chosen = {"users": users, "calibration_users": 32, **settings}
        spent = run_planted(watched, table, Path(folder) / "run", **chosen)
    # Of this program's own: what the parent took before it started this one does not count.
    [line] = [line for line in Path("/proc/self/status").read_text("utf-8").splitlines() if line.startswith("VmHWM")]
    return spent["all"] - watched.seconds, int(line.split()[1]) / 1000
