"""Measure the engine `openai` on servers as they are: `docs/results/servers.json`.

    make servers MODEL=FILE.gguf                        # about ten minutes on two quiet cores
    python benchmarks/servers.py FILE.gguf --trial      # everything once, with small sizes, to see that it runs

- slow_server_retries: llama.cpp's server with four slots on two cores; a run of `deeper evaluate` on four planted users
  for one round. Counts requests that were sent again, or cancelled.
- slow_server_throughput_vs_plain: the same server; generated tokens a second, the engine / the client of the package
  `openai` with the best fixed number of requests in flight.
- wide_server_throughput_vs_plain: the same for a scripted server with 32 slots and a fixed latency.

The prompts are those of a run. Compared sides take turns, and each turn has prompts of its own, so that no side finds
the other's in the server's cache. The server works on the same cores as the client.
"""

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import openai

from deeper.engine import Prompt, Sampling
from deeper.engine.openai import calls
from deeper.engine.openai.engine import OpenAIEngine
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.storage.atomic import write_atomically
from deeper.storage.provenance import provenance
from llama_server import llama_server, started
from speed_shared import SEED, Figure, Watched, figure, planted_windows, ratios, replaced, run_planted

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("refine", "frozen", "user_median")
SLOTS, CONTEXT = 4, 8192
WIDE_SLOTS, WIDE_SECONDS = 32, 0.25
FIXED_SLOW, FIXED_WIDE = (1, 2, 4, 8), (16, 32, 64)
"""Fixed numbers in flight to compare with."""
LEAST_SHARE = 0.9


@dataclass(frozen=True)
class Sizes:
    """How much to measure.

    Attributes:
        users: Users of the run, and as many to calibrate on.
        requests: Requests of a turn on the slow server.
        max_tokens: Longest answer of those.
        wide_requests: Requests of a turn on the wide server.
        repeats: Turns of each side.
    """

    users: int = 4
    requests: int = 16
    max_tokens: int = 32
    wide_requests: int = 2400
    repeats: int = 2


TRIAL = Sizes(users=1, requests=4, max_tokens=8, wide_requests=64, repeats=1)
Side = Callable[[Sequence[Prompt]], float]


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--trial", is_flag=True, help="Use small sizes; the figures mean nothing.")
@click.option("--out", type=click.Path(path_type=Path), help="File.  [default: docs/results/servers.json]")
def main(model: Path, trial: bool, out: Path | None) -> None:
    """Measure, and write the JSON."""
    sizes = TRIAL if trial else Sizes()
    out = out or (Path("runs/servers-trial.json") if trial else ROOT / "docs" / "results" / "servers.json")
    origin = {**provenance(), "seed": SEED, "sizes": vars(sizes)}
    origin["versions"]["xllamacpp"] = version("xllamacpp")
    origin["model"] = {"file": model.name, "sha256": hashlib.sha256(model.read_bytes()).hexdigest()}
    with llama_server(model, SLOTS, CONTEXT, caches=True) as url:
        found = {"slow_server_retries": run_on(url, sizes)}
        found["slow_server_throughput_vs_plain"] = compared(
            url, sizes.requests, sizes.max_tokens, FIXED_SLOW, sizes.repeats, f"llama.cpp, {SLOTS} slots, two cores"
        )
    with wide_server() as url:
        found["wide_server_throughput_vs_plain"] = compared(
            url, sizes.wide_requests, 20, FIXED_WIDE, sizes.repeats, f"{WIDE_SLOTS} slots, {WIDE_SECONDS} s an answer"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"benchmark": "servers", **origin, **found}, indent=1, ensure_ascii=False)
    write_atomically(out, f"{text}\n".encode())
    for name, one in found.items():
        say(f"{name}: {one['value']} ({one['range'][0]}..{one['range'][1]}), target {one['target']}: {one['holds']}")


@contextmanager
def wide_server() -> Iterator[str]:
    """Run the scripted server."""
    script = Path(__file__).with_name("wide_server.py")
    yield from started([sys.executable, str(script), str(WIDE_SLOTS), str(WIDE_SECONDS)])


def run_on(url: str, sizes: Sizes) -> Figure:
    """Run `deeper evaluate` on a server, and count the requests that did not end with an answer."""
    counts = {"requests": 0, "without_answer": 0}
    ask = calls.Server.ask

    async def counted(self: calls.Server, *given: Any) -> Any:
        counts["requests"] += 1
        try:
            return await ask(self, *given)
        except BaseException:
            counts["without_answer"] += 1
            raise

    engine = OpenAIEngine("m", url)
    windows = planted_windows(sizes.users, sizes.users)
    with replaced(calls.Server, "ask", counted), tempfile.TemporaryDirectory() as folder:
        chosen = {"users": sizes.users, "calibration_users": sizes.users, "methods": METHODS}
        seconds = run_planted(engine, windows, Path(folder) / "run", **chosen)["all"]
    say(f"a run: {counts['requests']} requests in {seconds:.0f} s, {counts['without_answer']} without an answer")
    how = f"llama.cpp, {SLOTS} slots, two cores: requests sent again or cancelled in a run of one round"
    counted_too = {"users": sizes.users, "requests": counts["requests"], "seconds": round(seconds, 1)}
    return figure([counts["without_answer"]], 0, "lower", how, **counted_too)


def compared(url: str, requests: int, max_tokens: int, numbers: Sequence[int], repeats: int, where: str) -> Figure:
    """Compare tokens a second: the engine, and the plain client with fixed numbers in flight."""
    # A new engine in each turn: it begins with few requests in flight, as a run does.
    sides: dict[str, Side] = {"engine": lambda prompts: rate_of_engine(OpenAIEngine("m", url), prompts, max_tokens)}
    for number in numbers:
        sides[f"{number} in flight"] = lambda prompts, n=number: asyncio.run(rate_of_plain(url, prompts, max_tokens, n))
    asked = prompts_of_a_run()
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats):
        for name, side in sides.items():
            # What differs stands first, so that nothing of another side's prompt is in the server's cache.
            own = [
                Prompt(f"Session {turn} of {name}, {i}. {asked[i % len(asked)].system}", asked[i % len(asked)].user)
                for i in range(requests)
            ]
            found[name].append(side(own))
            say(f"  turn {turn + 1} of {repeats}, {name}: {found[name][-1]:.1f} tokens/s")
    best = max(list(sides)[1:], key=lambda name: sum(found[name]))
    how = f"{where}: tokens generated a second, the engine / a plain client with {best}"
    rates = {name: [round(rate, 1) for rate in values] for name, values in found.items()}
    return figure(ratios(found["engine"], found[best]), LEAST_SHARE, "higher", how, requests=requests, rates=rates)


def prompts_of_a_run() -> list[Prompt]:
    """The prompts that a run writes personas with."""
    watched = Watched(ScriptedEngine())
    with tempfile.TemporaryDirectory() as folder:
        run_planted(watched, planted_windows(8, 4), Path(folder) / "run", users=8, calibration_users=4, methods=METHODS)
    return [prompt for prompt, _ in watched.written]


def rate_of_engine(engine: OpenAIEngine, prompts: Sequence[Prompt], max_tokens: int) -> float:
    """Tokens that the engine generates a second."""
    before, began = engine.usage, time.perf_counter()
    answers = engine.generate(prompts, Sampling(max_tokens))
    seconds = time.perf_counter() - began
    if failures := [answer.failure for answer in answers if answer.failure]:
        raise click.ClickException(f"{len(failures)} requests failed: {failures[0]}")
    return (engine.usage - before).tokens_generated / seconds


async def rate_of_plain(url: str, prompts: Sequence[Prompt], max_tokens: int, in_flight: int) -> float:
    """Tokens that the client of the package `openai` generates a second, with a fixed number in flight."""
    limit = asyncio.Semaphore(in_flight)

    async def one(client: openai.AsyncOpenAI, prompt: Prompt) -> int:
        messages: Any = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        async with limit:
            answer = await client.chat.completions.create(
                model="m", messages=messages, max_tokens=max_tokens, temperature=0.0
            )
        return answer.usage.completion_tokens if answer.usage else 0

    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=3600) as client:
        began = time.perf_counter()
        tokens = await asyncio.gather(*(one(client, prompt) for prompt in prompts))
        return sum(tokens) / (time.perf_counter() - began)


def say(text: str) -> None:
    """Print progress."""
    click.echo(text, err=True)


if __name__ == "__main__":
    main()
