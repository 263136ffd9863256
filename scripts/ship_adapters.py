"""Put trained adapters into the package, in bfloat16, each with its model card.

    python scripts/ship_adapters.py RUNS/policy RUNS/predictor --validation RUNS/validation --made-in RUNS

Replaces the adapters that are there. RUNS/validation is a run of `deeper evaluate` with the new ones; the cards show
its errors. Also writes the fingerprints of every window under RUNS that was used to train, calibrate or choose. With
them `benchmarks/unseen.py` works without RUNS. The licence of the adapters is `src/deeper/adapters/LICENSE`, which
`pyproject.toml` names.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from deeper.behaviour.fingerprints import FINGERPRINTS
from deeper.commands.export.to_hub import HubOptions, export_hub
from deeper.commands.export.to_llamafactory import README
from deeper.engine.adapter import METRICS, SHIPPED, TENSORS, load_adapter
from deeper.evaluation.results_schema import Results, read_results
from deeper.storage.layout import RESULTS_FILE
from docs_cells import interval, table

COMPARED = ("refine", "frozen", "user_median")


def main() -> None:
    """Ship each adapter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapters", type=Path, nargs="+", help="folders that training runs wrote")
    parser.add_argument("--validation", type=Path, action="append", required=True, help="run folder; repeatable")
    parser.add_argument(
        "--made-in", type=Path, required=True, help="folder of all training runs, samplings and choices"
    )
    given = parser.parse_args()
    figures = together([read_results(run / RESULTS_FILE) for run in given.validation])
    for source in given.adapters:
        place = SHIPPED / f"small-{load_adapter(source).kind}"
        with TemporaryDirectory() as staging:
            made = Path(staging) / "adapter"
            export_hub("adapter", str(source), made, HubOptions(license="cc-by-nc-4.0"))
            tensors = load_file(made / TENSORS)
            save_file({name: value.to(torch.bfloat16) for name, value in tensors.items()}, made / TENSORS)
            (made / METRICS).unlink(missing_ok=True)
            with (made / README).open("a", encoding="utf-8") as card:
                card.write(figures)
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(made, place)
            (place / TENSORS).chmod(0o644)
        print(f"{place.name}: {sum(file.stat().st_size for file in place.iterdir()) / 1e6:.1f} MB")
    seen = fingerprints_below(given.made_in)
    (SHIPPED / FINGERPRINTS).write_text(json.dumps({"windows": seen}, indent=0), "utf-8")
    print(f"{FINGERPRINTS}: {len(seen)} windows")


def fingerprints_below(folder: Path) -> list[str]:
    """Return the fingerprints of all windows that were used under a folder, each once."""
    lists = [json.loads(path.read_text("utf-8"))["windows"] for path in folder.rglob(FINGERPRINTS)]
    return sorted(set[str]().union(*lists))


def together(runs: Sequence[Results]) -> str:
    """Return a table for the cards: errors of both adapters together, in the last round of each domain."""
    rows: list[tuple[object, ...]] = []
    for run in runs:
        held_out = [entry for entry in run.errors if entry.role == "future" and entry.domain in run.users]
        for domain in run.users:
            last = max(entry.round for entry in held_out if entry.domain == domain)
            errors = {
                entry.method: interval(entry.mae, entry.ci)
                for entry in held_out
                if (entry.domain, entry.round) == (domain, last) and entry.prediction in ("persona", "none")
            }
            rows.append((domain, last, *(errors[method] for method in COMPARED), run.users[domain]))
    splits = " and ".join(sorted({run.config["split"] for run in runs}))
    heads = ("", "round", *(f"`{method}`" for method in COMPARED), "users")
    return (
        "\n## Both together\n\nPersonas of small-policy, read by small-predictor: error (MAE) on the held-out window, "
        f"95 % interval, on {splits} users whom neither was trained on. All training runs, and the sampling, rewards "
        f"and pairs of preference learning, are steps of `make reproduce-small`.\n\n{table(heads, rows)}\n"
    )


if __name__ == "__main__":
    main()
