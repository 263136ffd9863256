"""The part of `speed.py` about the page of a run: how soon Chromium shows it, and how large it is.

The run has planted users, the scripted engine, eight methods, and five rounds of personas of 60 words. Its users are
copied under other names until there are enough. The page compresses 25 users at a time and the run has 50, so a copy
compresses no better than another user.
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
from deeper.evaluation.methods import CONTROLS, UPDATERS
from deeper.evaluation.runs.load_run import Run, load_run
from deeper.report.pages.run_page import page
from speed_shared import Figure, Say, Sizes, figure, planted_windows, run_planted

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
COPIED_USERS = 50
"""Users of the run that is copied."""
METHODS = (*UPDATERS, "frozen", *CONTROLS)
PERSONA_WORDS = 60
MOST_SECONDS, MOST_MEGABYTES = 3.0, 25.0


def report(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Measure the seconds to open the page of a run of many users, and its size."""
    with tempfile.TemporaryDirectory() as folder:
        run = copied(scripted_run(Path(folder) / "run"), -(-sizes.many // COPIED_USERS))
        users = COPIED_USERS * -(-sizes.many // COPIED_USERS)
        path = Path(folder) / "report.html"
        path.write_text(page(run), "utf-8")
        megabytes = path.stat().st_size / 1e6
        opened = [open_page(path, users) for _ in range(sizes.repeats)]
    say(f"  {users} users: {megabytes:.1f} MB, open after {opened[-1][0]:.2f} s")
    counts = {"users": users, "methods": len(METHODS), "rounds": 5, "words": PERSONA_WORDS}
    how = "Seconds from the address to the first user's persona and the first chart, in a fresh headless Chromium."
    first = figure([seconds for seconds, _ in opened], MOST_SECONDS, "lower", how, **counts)
    first["seconds_to_another_user"] = [round(other, 3) for _, other in opened]
    size = figure([megabytes], MOST_MEGABYTES, "lower", "Size of the page, one file, in megabytes.", **counts)
    return {"report_seconds_open": first, "report_megabytes": size}


def scripted_run(out: Path) -> Run:
    """Return a run of `COPIED_USERS` users with personas of `PERSONA_WORDS` words."""
    sentences = ScriptedEngine()

    def reply(prompt: Prompt, sample: int) -> str:
        words: list[str] = []
        while len(words) < PERSONA_WORDS:
            other = replace(prompt, user=f"{prompt.user}{len(words)}")
            words += sentences.generate([other], Sampling(PERSONA_WORDS))[0].texts[0].split()
        return " ".join(words[:PERSONA_WORDS])

    engine = ScriptedEngine(reply=reply)
    run_planted(engine, planted_windows(COPIED_USERS, 0), out, users=COPIED_USERS, rounds=4, methods=METHODS,
                calibration="off", max_persona_tokens=PERSONA_WORDS)  # fmt: skip
    return load_run(out)


def copied(run: Run, times: int) -> Run:
    """Return a run with each user so many times, under other names."""
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
    """Open the page in a new browser; return the seconds until it is ready, and until another user is shown."""
    from playwright.sync_api import sync_playwright

    from screenshots import FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        shown: Any = browser.new_page()
        began = time.monotonic()
        shown.goto(path.as_uri())
        shown.wait_for_selector("#user-view .persona")
        shown.wait_for_selector("#errors .plot svg")
        first = time.monotonic() - began
        name = shown.locator("#user option").last.inner_text().split()[-1]
        began = time.monotonic()
        shown.select_option("#user", str(users - 1))
        shown.wait_for_function("name => document.querySelector('#user-view h3').textContent === name", arg=name)
        other = time.monotonic() - began
        browser.close()
    return first, other
