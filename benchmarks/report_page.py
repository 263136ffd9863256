"""How large the page of a run is, how long it takes to be written, and how long Chromium takes to open it.

    python benchmarks/report_page.py > report_page.json        # needs Debian's chromium; about two minutes

A run of planted users by the scripted engine, with eight methods and five rounds of personas of `--words` words, is
copied under other names until it has `--users`. The page compresses the users 25 by 25, and a run has 50 of them, so
that a copy is compressed as well as another user. `seconds_open` counts from the address to the first user's persona
and the first chart, the middle of `--times`; `seconds_user` from the choice of a user whose part is still packed.
Targets: 3 seconds, 25 MB.
"""

import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from deeper.behaviour.load import Loaded
from deeper.behaviour.planted import PLANTED, plant_users
from deeper.behaviour.windows import to_windows
from deeper.engine import Prompt, Sampling
from deeper.engine.scripted import ScriptedEngine
from deeper.evaluation.schema import CONTROLS, UPDATERS
from deeper.pipeline import engines as engine_choice
from deeper.pipeline import evaluate as pipeline
from deeper.pipeline.provenance import provenance
from deeper.pipeline.settings import Settings
from deeper.report.run_files import RunFiles, read_run
from deeper.report.run_page import page

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
BASE = 50
"""Users of the run that is copied."""
METHODS = (*UPDATERS, "frozen", *CONTROLS)


@click.command()
@click.option("--users", default=1000, show_default=True, help="Users of the page, a multiple of 50.")
@click.option("--words", default=60, show_default=True, help="Words of a persona.")
@click.option("--times", default=3, show_default=True, help="How often the page is opened.")
@click.option("--seed", default=1, show_default=True, help="Of the users.")
def main(users: int, words: int, times: int, seed: int) -> None:
    """Print the measurements as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        small = scripted_run(Path(folder) / "run", words, seed)
        run = copied(small, users // BASE)
        began = time.monotonic()
        text = page(run)
        written = time.monotonic() - began
        path = Path(folder) / "report.html"
        path.write_text(text, "utf-8")
        opened = [open_page(path, users) for _ in range(times)]
        found = {
            **provenance(),
            "seed": seed,
            "users": users,
            "methods": len(METHODS),
            "rounds": 5,
            "words": words,
            "megabytes": round(path.stat().st_size / 1e6, 2),
            "seconds_write": round(written, 2),
            "seconds_open": round(statistics.median(first for first, _ in opened), 2),
            "seconds_user": round(statistics.median(other for _, other in opened), 2),
        }
    click.echo(json.dumps(found, indent=1))


def scripted_run(out: Path, words: int, seed: int) -> RunFiles:
    """A run of `BASE` users whose personas are of so many words."""
    behaviour = plant_users(BASE, 6, seed).behaviour
    windows = to_windows(behaviour, split=lambda user: "eval")
    sentences = ScriptedEngine()

    def reply(prompt: Prompt, sample: int) -> str:
        told: list[str] = []
        while len(told) < words:
            other = replace(prompt, user=f"{prompt.user}{len(told)}")
            told += sentences.generate([other], Sampling(words))[0].texts[0].split()
        return " ".join(told[:words])

    engine = ScriptedEngine(reply=reply)
    loaded = Loaded(windows, {PLANTED.id: PLANTED}, [], "planted")
    pipeline.load_windows = lambda data, chosen: loaded
    engine_choice.make_engine = lambda spec, adapter: engine
    settings = Settings(methods=METHODS, users=BASE, roles=("future",), calibration="off", max_persona_tokens=words)
    pipeline.evaluate(settings, out, Console(quiet=True))
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


if __name__ == "__main__":
    main()
