"""Measure how fast the program is, against the bare model, its own limits and the published flow.

    make speed                                # all parts, forty minutes on two quiet cores
    make speed GPU=1                          # the engine transformers on a GPU
    python benchmarks/speed.py --only score   # one part again; the others are kept
    python benchmarks/speed.py --trial        # everything once, with small sizes, to see that it runs

Compared sides take turns in one process: A B A B and so on. A figure is the median of the ratios turn by turn, with
their range, so that a slow moment of the machine slows both sides. Each finished part is stored in --folder; the same
commit on the same machine does not measure it again. When all parts are there, they are joined in --out. Use a machine
that does nothing else.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import click

from deeper.persona.recipe import RECIPE
from deeper.storage.atomic import write_atomically
from deeper.storage.provenance import provenance
from speed_shared import SEED, Figure, Sizes

PARTS = {
    "start": "speed_around_model",
    "samples": "speed_engine",
    "score": "speed_engine",
    "throughput": "speed_engine",
    "published": "speed_published",
    "scale": "speed_around_model",
    "report": "speed_report",
    "demo": "speed_demo",
}
"""Each part is a function of this module; `scale` needs a figure of `throughput`."""
GPU_PARTS = {"gpu": "speed_gpu"}
"""Parts of a machine with a GPU, which are stored apart."""
FULL = Sizes(repeats=3, users=6, many=1000, read=RECIPE.predict_rows, written=RECIPE.write_rows, asked=3)
TRIAL = Sizes(repeats=1, users=1, many=48, read=2, written=2, asked=1)
ROOT = Path(__file__).resolve().parents[1]


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(PARTS)),
    help="Parts to measure again.  [default: missing ones]",
)
@click.option("--gpu", is_flag=True, help="Measure the engine transformers on a GPU instead.")
@click.option("--trial", is_flag=True, help="Use small sizes; the figures mean nothing.")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder for the parts.  [default: runs/speed]")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File for all parts together.  [default: docs/results/speed.json]"
)
def main(only: tuple[str, ...], gpu: bool, trial: bool, folder: Path | None, out: Path | None) -> None:
    """Measure, store, and join the parts."""
    sizes, parts = TRIAL if trial else FULL, GPU_PARTS if gpu else PARTS
    folder = folder or Path("runs") / ("speed-trial" if trial else "speed")
    name = "speed-gpu.json" if gpu else "speed.json"
    out = out or (folder / name if trial else ROOT / "docs" / "results" / name)
    folder.mkdir(parents=True, exist_ok=True)
    origin = {**provenance(), "seed": SEED, "sizes": vars(sizes)}
    for part in parts:
        path = folder / f"{part}.json"
        if part not in only if only else is_measured(path, origin):
            continue
        click.echo(f"{part}:", err=True)
        write_atomically(path, as_json({**origin, "figures": measured(part, sizes, folder)}))
    if missing := [part for part in parts if not is_measured(folder / f"{part}.json", origin)]:
        raise click.ClickException(f"not joined: this commit has not measured {', '.join(missing)} yet")
    figures: dict[str, Figure] = {}
    for part in parts:
        figures |= read(folder / f"{part}.json")["figures"]
    write_atomically(out, as_json({"benchmark": "speed", **origin, **figures}))
    for name, one in figures.items():
        verdict = "holds" if one["holds"] else "falls short"
        click.echo(f"{name}: {one['value']} ({one['range'][0]}..{one['range'][1]}), target {one['target']}: {verdict}")


def measured(part: str, sizes: Sizes, folder: Path) -> dict[str, Figure]:
    """Measure one part, and return its figures."""
    function = getattr(importlib.import_module({**PARTS, **GPU_PARTS}[part]), part)
    if part != "scale":
        return function(sizes, say)
    before = folder / "throughput.json"
    if not before.exists():
        raise click.ClickException("scale needs a figure of throughput; measure that first")
    spent = read(before)["figures"]["throughput_vs_bare"]["engine_seconds_a_user"]
    return function(sizes, say, min(spent))


def say(text: str) -> None:
    """Print progress."""
    click.echo(text, err=True)


def is_measured(path: Path, origin: dict[str, Any]) -> bool:
    """Whether this commit measured a part, on this machine, with these sizes."""
    return path.exists() and all(read(path)[name] == value for name, value in origin.items())


def read(path: Path) -> dict[str, Any]:
    """Read a stored part."""
    return json.loads(path.read_text("utf-8"))


def as_json(value: dict[str, Any]) -> bytes:
    """Return a part as it is stored."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    main()
