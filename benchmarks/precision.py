"""Does bfloat16 change predictions? The same windows from the same personas in two precisions: `precision.json`.

    python benchmarks/precision.py --data movielens_small --data FOLDER --out docs/results/precision.json

The personas are the describer's, of validation users. Where the processor multiplies bfloat16, the engine `embedded` in
`fast` is compared with itself in `exact`. Elsewhere bfloat16 is emulated: the engine `transformers` in 32-bit floats is
compared with itself where the output of each operation of the body is rounded to bfloat16, and its weights too. That
rounds a little more often than processors do. The head stays in 32-bit floats either way.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from deeper.behaviour.load import load_windows
from deeper.behaviour.users import Key, choose_users
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.engine.openvino.engine import EmbeddedEngine
from deeper.engine.precision import number_type
from deeper.engine.torch.engine import TransformersEngine
from deeper.measure.bootstrap import domain_mean_interval
from deeper.measure.metrics import crps, mean_absolute_error
from deeper.persona.predict import PREDICT_INPUT, predict
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.atomic import write_atomically
from deeper.storage.provenance import provenance
from paired import by_domain
from predictor_and_policy import SEED, described_row

PREDICTOR = Path(__file__).resolve().parents[1] / "src" / "deeper" / "adapters" / "small-predictor"
MOST_DIFFERENCE = 0.003
"""Largest difference of an error that is accepted, as a share of the error in `exact`."""
MOST_MEDIANS = 0.01
"""Largest share of predicted medians that may differ."""


class Rounding(TorchDispatchMode):
    """Rounds what each operation returns to bfloat16."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and round its result."""
        return tree_map(to_bfloat16, func(*args, **(kwargs or {})))


def to_bfloat16(value: Any) -> Any:
    """Round a tensor of 32-bit floats; return anything else unchanged."""
    is_float = isinstance(value, torch.Tensor) and value.dtype == torch.float32
    return value.bfloat16().float() if is_float else value


@contextmanager
def emulated(engine: TransformersEngine) -> Iterator[None]:
    """Round the body's weights and what its operations return; the weights stay rounded."""
    model = engine._model
    decoder = (model.get_base_model() if hasattr(model, "get_base_model") else model).get_decoder()
    embedding = decoder.get_input_embeddings().weight  # it is the head, too
    with torch.no_grad():
        for weights in decoder.parameters():
            if weights is not embedding:
                weights.copy_(to_bfloat16(weights))
    forward = decoder.forward

    def rounded(*args: Any, **kwargs: Any) -> Any:
        with Rounding():
            return forward(*args, **kwargs)

    decoder.forward = rounded
    yield
    decoder.forward = forward


def main() -> None:
    """Predict twice, compare, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, action="append", help="as for deeper evaluate; repeatable")
    parser.add_argument("--users", type=int, default=80, help="validation users of a domain")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()
    origin = provenance()
    windows, domains = validation_users(given.data, given.users)
    rows = [
        described_row(key, key, k, windows, domains, "own")
        for key, own in windows.items()
        for k in sorted({0, len(own) - 2})
    ]
    table = pa.Table.from_pylist(rows, schema=PREDICT_INPUT)
    if number_type("auto") == "bf16":
        how = "measured: embedded"
        exact, fast = (predicted(table, EmbeddedEngine(None, PREDICTOR, name), domains) for name in ("exact", "fast"))
    else:
        how = "emulated: transformers on a processor without bfloat16"
        engine = TransformersEngine(None, PREDICTOR, "cpu", "exact")
        exact = predicted(table, engine, domains)
        with emulated(engine):
            fast = predicted(table, engine, domains)
    found = compared(exact, fast, windows, domains)
    write_atomically(given.out, (json.dumps({**origin, "seed": SEED, "how": how, **found}, indent=1) + "\n").encode())
    print(json.dumps(found, indent=1))


def validation_users(data: Sequence[str], users: int) -> tuple[dict[Key, Any], dict[str, Domain]]:
    """Return the windows of validation users, and the domains."""
    windows: dict[Key, Any] = {}
    domains: dict[str, Domain] = {}
    for source in data:
        loaded = load_windows(source)
        domains |= loaded.domains
        windows |= {key: own for key, own in choose_users(loaded.windows, ["validation"], users).items() if own[1:]}
    return windows, domains


def predicted(table: pa.Table, engine: Engine, domains: Mapping[str, Domain]) -> list[dict[str, Any]]:
    """Predict all rows, sixteen at a time as a run does."""
    prompts, rows = load_prompts(), []
    for start in range(0, table.num_rows, 16):
        part = table.slice(start, 16)
        rows += predict(part, engine, prompts, domains, "distribution", SEED).to_pylist()
    return rows


def compared(
    exact: Sequence[Mapping[str, Any]],
    fast: Sequence[Mapping[str, Any]],
    windows: Mapping[Key, Any],
    domains: Mapping[str, Domain],
) -> dict[str, Any]:
    """Return the differences of errors, fast minus exact, and the share of medians that differ."""
    errors: dict[str, dict[Key, list[float]]] = {}
    differs: list[bool] = []
    for one, other in zip(exact, fast, strict=True):
        key, domain = (one["domain"], one["user"]), domains[one["domain"]]
        actual = np.array([item["rating"] for item in windows[key][one["k"]]])
        rated = domain.is_rated(actual)
        differs += (np.array(one["points"]) != np.array(other["points"]))[rated].tolist()
        for name, row in (("exact", one), ("fast", other)) if rated.any() else ():
            points, distribution = np.array(row["points"])[rated], np.array(row["distribution"])[rated]
            mae = mean_absolute_error(points, actual[rated])
            errors.setdefault(f"mae {name}", {}).setdefault(key, []).append(mae)
            score = float(crps(distribution, domain.scale.values, actual[rated]).mean())
            errors.setdefault(f"crps {name}", {}).setdefault(key, []).append(score)
    means = {name: {key: float(np.mean(values)) for key, values in found.items()} for name, found in errors.items()}
    report: dict[str, Any] = {
        "users": len(means["mae exact"]),
        "ratings": len(differs),
        "medians_that_differ": {"value": round(float(np.mean(differs)), 5), "wanted": MOST_MEDIANS},
    }
    report["medians_that_differ"]["holds"] = bool(np.mean(differs) <= MOST_MEDIANS)
    for measure in ("mae", "crps"):
        before, after = means[f"{measure} exact"], means[f"{measure} fast"]
        difference = {key: after[key] - before[key] for key in before}
        interval = domain_mean_interval(by_domain(before, difference), SEED)
        level = float(np.mean([values.mean() for values in by_domain(before, before)]))
        shares = [limit / level for limit in (interval.mean, interval.low, interval.high)]
        report[f"{measure}_difference"] = {
            "exact": round(level, 5),
            "share": round(shares[0], 5),
            "ci": [round(share, 5) for share in shares[1:]],
            "wanted": MOST_DIFFERENCE,
            "holds": max(map(abs, shares[1:])) <= MOST_DIFFERENCE,
        }
    return report


if __name__ == "__main__":
    main()
