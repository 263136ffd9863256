"""How fast the program is: beside the bare model, beside its own limits, beside the published flow.

    make speed                                # all parts, twenty minutes on two quiet cores
    python benchmarks/speed.py --only score   # one part anew; the others are kept
    python benchmarks/speed.py --trial        # everything once and small, in a folder of its own: to see that it runs

Sides that are compared take turns in one process, A B A B …, and a figure is the median of the ratios turn by turn,
with their range: what slows the machine for a while slows both sides. Each part is stored in --folder as soon as it
is done, and is not measured again by the same commit on the same machine. When all are there, they are joined in --out.
Use a machine that does nothing else.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import click

from deeper.commands.evaluate.online import WRITE_ROWS
from deeper.commands.execution.predictors import READ_ROWS
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
}
"""Functions, and the modules that hold them; `scale` wants a figure of `throughput`."""
FULL = Sizes(repeats=3, users=6, many=1000, read=READ_ROWS, written=WRITE_ROWS, asked=3)
TRIAL = Sizes(repeats=1, users=1, many=48, read=2, written=2, asked=1)
ROOT = Path(__file__).resolve().parents[1]


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(PARTS)), help="Parts to measure anew; all by default.")
@click.option("--trial", is_flag=True, help="Small sizes; the figures mean nothing.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where parts are kept.  [default: runs/speed]")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where they are joined.  [default: docs/results/speed.json]"
)
def main(only: tuple[str, ...], trial: bool, folder: Path | None, out: Path | None) -> None:
    """Measure, store, and join what is there."""
    sizes = TRIAL if trial else FULL
    folder = folder or Path("runs") / ("speed-trial" if trial else "speed")
    out = out or (folder / "speed.json" if trial else ROOT / "docs" / "results" / "speed.json")
    folder.mkdir(parents=True, exist_ok=True)
    origin = {**provenance(), "seed": SEED, "sizes": vars(sizes)}
    for part in PARTS:
        path = folder / f"{part}.json"
        if part not in only if only else is_of(path, origin):
            continue
        click.echo(f"{part}:", err=True)
        write_atomically(path, as_json({**origin, "figures": measured(part, sizes, folder)}))
    if missing := [part for part in PARTS if not is_of(folder / f"{part}.json", origin)]:
        raise click.ClickException(f"not joined: {', '.join(missing)} still to be measured by this commit")
    figures: dict[str, Figure] = {}
    for part in PARTS:
        figures |= read(folder / f"{part}.json")["figures"]
    write_atomically(out, as_json({"benchmark": "speed", **origin, **figures}))
    for name, one in figures.items():
        verdict = "holds" if one["holds"] else "falls short"
        click.echo(f"{name}: {one['value']} ({one['range'][0]}..{one['range'][1]}), target {one['target']}: {verdict}")


def measured(part: str, sizes: Sizes, folder: Path) -> dict[str, Figure]:
    """The figures of one part."""
    function = getattr(importlib.import_module(PARTS[part]), part)
    if part != "scale":
        return function(sizes, lambda told: click.echo(told, err=True))
    before = folder / "throughput.json"
    if not before.exists():
        raise click.ClickException("scale wants a figure of throughput: measure that first")
    spent = read(before)["figures"]["throughput_vs_bare"]["engine_seconds_a_user"]
    return function(sizes, lambda told: click.echo(told, err=True), min(spent))


def is_of(path: Path, origin: dict[str, Any]) -> bool:
    """Whether a part was measured by this commit, on this machine, in these sizes."""
    return path.exists() and all(read(path)[name] == value for name, value in origin.items())


def read(path: Path) -> dict[str, Any]:
    """A stored part."""
    return json.loads(path.read_text("utf-8"))


def as_json(value: dict[str, Any]) -> bytes:
    """As it is stored."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    main()
