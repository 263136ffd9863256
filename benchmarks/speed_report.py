"""The part of `speed.py` about the page of a run: how soon it is open in Chromium, and how large it is.

A run of planted users by the scripted engine, with eight methods and five rounds of personas of 60 words, is copied
under other names until it has all users. The page compresses the users 25 by 25, and a run has 50 of them, so that a
copy is compressed as well as another user.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.engine import Prompt, Sampling
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.evaluation.schema import CONTROLS, UPDATERS
from deeper.report.pages.run_page import page
from deeper.report.run_files import RunFiles, read_run
from speed_cases import Figure, Say, Sizes, figure, planted_windows, run_planted

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
BASE = 50
"""Users of the run that is copied."""
METHODS = (*UPDATERS, "frozen", *CONTROLS)
WORDS = 60
SECONDS, MEGABYTES = 3.0, 25.0


def report(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Seconds to open the page of a run of many users, and its size."""
    with tempfile.TemporaryDirectory() as folder:
        run = copied(scripted_run(Path(folder) / "run"), -(-sizes.many // BASE))
        users = BASE * -(-sizes.many // BASE)
        path = Path(folder) / "report.html"
        path.write_text(page(run), "utf-8")
        megabytes = path.stat().st_size / 1e6
        opened = [open_page(path, users) for _ in range(sizes.repeats)]
    say(f"  {users} users: {megabytes:.1f} MB, open after {opened[-1][0]:.2f} s")
    counts = {"users": users, "methods": len(METHODS), "rounds": 5, "words": WORDS}
    how = "Seconds from the address to the first user's persona and the first chart, in a fresh headless Chromium."
    first = figure([seconds for seconds, _ in opened], SECONDS, "lower", how, **counts)
    first["seconds_to_another_user"] = [round(other, 3) for _, other in opened]
    size = figure([megabytes], MEGABYTES, "lower", "Size of the page, one file, in megabytes.", **counts)
    return {"report_seconds_open": first, "report_megabytes": size}


def scripted_run(out: Path) -> RunFiles:
    """A run of `BASE` users whose personas are of so many words."""
    sentences = ScriptedEngine()

    def reply(prompt: Prompt, sample: int) -> str:
        told: list[str] = []
        while len(told) < WORDS:
            other = replace(prompt, user=f"{prompt.user}{len(told)}")
            told += sentences.generate([other], Sampling(WORDS))[0].texts[0].split()
        return " ".join(told[:WORDS])

    engine = ScriptedEngine(reply=reply)
    run_planted(engine, planted_windows(BASE, 0), out, users=BASE, rounds=4, methods=METHODS, calibration="off",
                max_persona_tokens=WORDS)  # fmt: skip
    return read_run(out)


def copied(run: RunFiles, times: int) -> RunFiles:
    """The same users so many times, under other names."""
    return replace(
        run,
        personas=_copied(run.personas, times, ("user", "id")),
        predictions=_copied(run.predictions, times, ("user", "persona_id")),
        errors=_copied(run.errors, times, ("user",)),
        windows=_copied(run.windows, times, ("user",)),
    )


def _copied(table: pa.Table, times: int, names: tuple[str, ...]) -> pa.Table:
    parts: list[pa.Table] = []
    for number in range(times):
        part = table
        for name in names:
            column = pc.binary_join_element_wise(f"copy-{number:03d}", part[name], "-")
            part = part.set_column(part.schema.get_field_index(name), part.schema.field(name), column)
        parts.append(part)
    return pa.concat_tables(parts)


def open_page(path: Path, users: int) -> tuple[float, float]:
    """Seconds until the page is ready, and until another user is shown, in a fresh browser."""
    from playwright.sync_api import sync_playwright

    from screenshots import FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        shown: Any = browser.new_page()
        began = time.monotonic()
        shown.goto(path.as_uri())
        shown.wait_for_selector("#person .persona")
        shown.wait_for_selector("#errors .plot svg")
        first = time.monotonic() - began
        name = shown.locator("#user option").last.inner_text().split()[-1]
        began = time.monotonic()
        shown.select_option("#user", str(users - 1))
        shown.wait_for_function("name => document.querySelector('#person h3').textContent === name", arg=name)
        other = time.monotonic() - began
        browser.close()
    return first, other
