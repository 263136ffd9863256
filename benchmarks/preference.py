"""Collect the figures of preference learning from finished runs: `docs/results/preference.json`.

    make learn-demo
    python benchmarks/dpo_vs_llamafactory.py --llamafactory ENV/bin/llamafactory-cli > comparison.json
    python benchmarks/preference.py runs/learn-demo/learnt comparison.json > docs/results/preference.json

`validation_mae` is the error of `refine` on validation users before learning, after iteration 1 and after iteration 2
(lower is better). `difference` is its change from before, paired by user. `dpo_vs_llamafactory` is our speed divided by
LLaMA-Factory's, in tokens per second without padding (higher is better, the target is 1.3). `loss_difference` is the
largest difference between the losses of a step. Each part says where it comes from.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from deeper.learning.export.hub_cards import without_places

STAGES = {"before": "before", "1": "after_iteration_1", "2": "after_iteration_2"}
ORIGIN = ("commit", "versions", "machine")


@click.command()
@click.argument("learnt", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("comparison", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(learnt: Path, comparison: Path) -> None:
    """Print the figures of LEARNT, a folder of deeper learn, and of COMPARISON, as JSON."""
    report = json.loads((learnt / "learn.json").read_text("utf-8"))
    compared = json.loads(comparison.read_text("utf-8"))
    if len(report["steps"]) < report["steps_total"]:
        raise click.ClickException(f"{learnt}: deeper learn is not finished")
    kept = ("tokens_per_second", "losses", "model", "pairs", "epochs", "batch", "micro_batch", "learning_rate")
    kept += ("repeats", "threads", "llamafactory_versions")
    result = {
        "benchmark": "preference",
        **{name: report[name] for name in (*ORIGIN, "seed")},
        "dpo_vs_llamafactory": compared["dpo_vs_llamafactory"],
        "loss_difference": compared["loss_difference"],
        "validation_mae": {name: _errors(report["validation"][stage]) for stage, name in STAGES.items()},
        "reward": [_reward(iteration) for iteration in report["iterations"]],
        "alarms": report["alarms"],
        "notes": report["notes"],
        "steps": report["steps"],
        "config": report["config"],
        "comparison": {name: compared[name] for name in (*kept, *ORIGIN)},
    }
    click.echo(json.dumps(without_places(result), indent=1, ensure_ascii=False))


def _errors(stage: Mapping[str, Any]) -> dict[str, Any]:
    """The error of `refine`, its change from before, and the errors of `frozen` and the user median."""
    methods = stage["methods"]
    found = {**methods["refine"], "frozen": methods["frozen"], "user_median": methods["user_median"]}
    difference = {"difference": stage["against_before"]} if "against_before" in stage else {}
    return {**found, **difference, "text": stage["text"], "leaks": stage["leaks"]}


def _reward(iteration: Mapping[str, Any]) -> dict[str, Any]:
    reward = iteration["reward"]
    pairs = {name: iteration["pairs"]["counts"][name]["pairs"] for name in ("train", "validation")}
    return {"trustworthy": reward["trustworthy"], "reliability": reward["reliability"], "pairs": pairs}


if __name__ == "__main__":
    main()
