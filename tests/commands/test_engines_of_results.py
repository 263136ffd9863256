"""Results say which engines made them, and what their models compute in."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine import Engine
from deeper.evaluation.json_parts import numbers_used
from deeper.evaluation.runs.load_run import load_run
from deeper.report.pages.provenance_list import provenance_list


def test_results_and_the_report_name_what_each_engine_computes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = engine_choice.make_engine

    def make_engine(spec: str, *more: Any) -> Engine:
        engine: Any = original(spec, *more)
        if spec == "scripted:taste":
            engine.computes_in = "bfloat16"
        return engine

    monkeypatch.setattr(engine_choice, "make_engine", make_engine)
    run = tmp_path / "run"
    settings = Settings(
        users=2, rounds=1, calibration="off", methods=("refine",), policy_engine="scripted",
        predictor_engine="scripted:taste",
    )  # fmt: skip
    evaluate(settings, run, Console(quiet=True))
    engines = json.loads((run / "results.json").read_text("utf-8"))["engines"]
    assert {role: engine["computes_in"] for role, engine in engines.items()} == {"policy": "", "predictor": "bfloat16"}
    found = load_run(run)
    assert {role: engine["fingerprint"] for role, engine in engines.items()} == found.manifest["engines"]
    assert engines["predictor"]["fingerprint"] == "scripted:taste"
    assert "<dt>precision</dt><dd>predictor bfloat16</dd>" in provenance_list(found)
    silent = {role: engine.model_copy(update={"computes_in": ""}) for role, engine in found.results.engines.items()}
    for engines in ({}, silent):
        older = replace(found, results=found.results.model_copy(update={"engines": engines}))
        assert "<dt>precision</dt><dd>unknown</dd>" in provenance_list(older)


@pytest.mark.parametrize(
    ("policy", "predictor", "said"),
    [
        ("bfloat16", "bfloat16", "bfloat16"),
        ("bfloat16", "32-bit floats", "policy bfloat16, predictor 32-bit floats"),
        ("", "32-bit floats", "predictor 32-bit floats"),
        ("", "", ""),
    ],
)
def test_engines_that_compute_in_the_same_numbers_are_named_once(policy: str, predictor: str, said: str) -> None:
    assert numbers_used({"policy": policy, "predictor": predictor}) == said
    assert numbers_used({}) == ""
