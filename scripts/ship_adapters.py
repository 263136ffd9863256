"""Put trained adapters into the package, in bfloat16, each with its model card.

    python scripts/ship_adapters.py RUNS/policy RUNS/predictor

What lay there goes. `src/deeper/adapters/LICENSE` says under which terms they are; `pyproject.toml` names it.
"""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from deeper.engine.adapter import METRICS, SHIPPED, TENSORS, load_adapter
from deeper.pipeline.export_hub import HubOptions, export_hub


def main() -> None:
    """Ship each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapters", type=Path, nargs="+", help="folders that trainings have written")
    for source in parser.parse_args().adapters:
        place = SHIPPED / f"small-{load_adapter(source).kind}"
        with TemporaryDirectory() as staging:
            made = Path(staging) / "adapter"
            export_hub("adapter", str(source), made, HubOptions(license="other"))
            tensors = load_file(made / TENSORS)
            save_file({name: value.to(torch.bfloat16) for name, value in tensors.items()}, made / TENSORS)
            (made / METRICS).unlink(missing_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(made, place)
        print(f"{place.name}: {sum(file.stat().st_size for file in place.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
