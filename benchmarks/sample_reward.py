"""Measure what sharing saves when the directions of one context are sampled and rewarded.

    python benchmarks/sample_reward.py > sample_reward.json

The shared flow is that of `deeper sample` and `deeper reward`: one prompt for N samples, three windows behind one
persona, all personas in one call. The unshared flow makes one call for each direction, and one for each item of each
window. Both run in one process, one after the other, on the embedded engine.

Generating is timed per generated token and scaled to answers of a fixed length. Both flows reward the same well-formed
texts. The unshared flow is measured on some directions (--unshared) and scaled to all.

`ratio` is unshared seconds / shared seconds; higher is better, the target is 6.
"""

import json
from collections.abc import Callable
from typing import Any

import click
import pyarrow as pa

from deeper.behaviour.planted.plant import KINDS, PLANTED, plant_users
from deeper.behaviour.windows import to_windows
from deeper.engine import Engine, Sampling
from deeper.engine.registry import make_engine
from deeper.learning.preferences.directions import Sampler, direction_prompt, sample
from deeper.learning.preferences.rewards import asked_of_candidates
from deeper.learning.preferences.schema import CONTEXT, DIRECTION
from deeper.persona.predict import PREDICT_INPUT, predict, predict_row
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.updaters import MODULES
from deeper.storage.provenance import provenance
from speed_shared import seconds

DOMAINS = {PLANTED.id: PLANTED}


@click.command()
@click.option("--engine", "spec", default="embedded", show_default=True)
@click.option("--directions", default=15, show_default=True, help="Directions of the context.")
@click.option("--tokens", default=48, show_default=True, help="Tokens of an answer.")
@click.option("--unshared", default=3, show_default=True, help="Directions that the unshared flow is measured on.")
def main(spec: str, directions: int, tokens: int, unshared: int) -> None:
    """Print the seconds of both flows and their ratio as JSON."""
    engine, prompts, context = make_engine(spec), load_prompts(), _context()
    sampler = Sampler(engine, prompts, tokens, directions, 1.0, 1, MODULES)
    texts = [well_formed_persona(number) for number in range(directions)]
    asked = asked_of_candidates(context, _directions(context, texts))
    rows = pa.Table.from_pylist([predict_row(*one) for one in asked], schema=PREDICT_INPUT)

    def predict_all(part: pa.Table) -> None:
        predict(part, engine, prompts, DOMAINS, "distribution", 1)

    def predict_one_by_one(part: pa.Table) -> None:
        for row in part.to_pylist():
            for target in row["targets"]:
                for title in target["titles"]:
                    predict_all(pa.Table.from_pylist([{**row, "targets": [{"k": 1, "titles": [title]}]}], part.schema))

    prompt = direction_prompt(context.to_pylist()[0], sampler.prompts, sampler.max_tokens, PLANTED, MODULES)
    one = Sampling(tokens, 1.0, 1, 1)
    engine.generate([prompt], Sampling(1))  # both models are compiled at their first use
    predict_all(rows.slice(0, 1))
    candidates = rows.slice(1, unshared)
    shared = {
        "generate": _each_token(engine, lambda: sample(context, sampler, DOMAINS)) * tokens * directions,
        "score": seconds(lambda: predict_all(rows)),
    }
    apart = {
        "generate": _each_token(engine, lambda: [engine.generate([prompt], one) for _ in range(unshared)])
        * tokens
        * directions,
        "score": seconds(lambda: predict_one_by_one(candidates)) / candidates.num_rows * directions,
    }
    result = {
        "benchmark": "sample_reward",
        "ratio": round(sum(apart.values()) / sum(shared.values()), 2),
        "higher_is_better": True,
        "seconds": {"shared": shared, "unshared": apart},
        "settings": {"directions": directions, "tokens": tokens, "unshared_measured": unshared, "items": 30},
        "engine": engine.fingerprint,
        **provenance(),
    }
    click.echo(json.dumps(result, indent=1))


def _context() -> pa.Table:
    """Return the first context of a planted user."""
    planted = plant_users(1, 3)
    first, second, third = (row["items"] for row in to_windows(planted.behaviour, split=lambda _: "train").to_pylist())
    row: dict[str, Any] = {
        "user": "planted-00000",
        "domain": PLANTED.id,
        "part": "b",
        "k": 1,
        "parent": "old",
        "method": "refine",
        "persona": well_formed_persona(99),
        "short_term": "",
        "windows": [first, second],
        "future": [third],
        "predicted": [3.0] * 10,
    }
    return pa.Table.from_pylist([row], schema=CONTEXT)


def _directions(context: pa.Table, texts: list[str]) -> pa.Table:
    """Return directions with the given texts."""
    names = {"user": "planted-00000", "domain": PLANTED.id, "k": 1, "parent": "old", "method": "refine"}
    rest = {"engine": "", "prompt_version": "", "seed": 1, "tokens": 0, "leaks": [], "duplicate": False, "failure": ""}
    rows = [{**names, **rest, "id": f"d{i}", "sample": i, "text": text} for i, text in enumerate(texts)]
    return pa.Table.from_pylist(rows, schema=DIRECTION)


def well_formed_persona(number: int) -> str:
    """Return a well-formed persona of about 48 tokens."""
    liked, disliked = (KINDS[(number * step + step) % len(KINDS)].lower() for step in (1, 5))
    change = "rising" if number < len(KINDS) else "falling"
    return (
        f"This person usually finds a film decent, is warmer about every {liked}, and has little patience with any "
        f"{disliked}. Verdicts stay close together, seldom reach either end, and have been {change} slowly, "
        f"{'with' if number % 2 else 'without'} surprises."
    )


def _each_token(engine: Engine, work: Callable[[], object]) -> float:
    """Return the seconds per generated token."""
    before = engine.usage.tokens_generated
    spent = seconds(work)
    return spent / (engine.usage.tokens_generated - before)


if __name__ == "__main__":
    main()
