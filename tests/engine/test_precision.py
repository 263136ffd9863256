"""What a precision means on processors with and without bfloat16."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract import HALF_STARS, QUESTIONS, RATER, STARS, EngineContract, assert_same_scores
from tiny_gguf import write_tiny_gguf

from deeper.commands import doctor
from deeper.engine import ScoreRequest, computes_in
from deeper.engine.openvino import paged_model
from deeper.engine.openvino.cut import cut_model
from deeper.engine.openvino.engine import EmbeddedEngine
from deeper.engine.precision import number_type
from deeper.engine.registry import make_engine
from deeper.engine.torch.model import dtype_of
from deeper.errors import UserError

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
FAST_TOLERANCE = 0.1
"""Largest difference (nat) between a label's log-probabilities in `fast` and in `exact`."""
HAS_BFLOAT16 = number_type("auto") == "bf16"
needs_bfloat16 = pytest.mark.skipif(not HAS_BFLOAT16, reason="the processor has no instructions for bfloat16")


@pytest.fixture(params=["with bfloat16", "without"])
def has_bfloat16(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Another processor."""
    has = request.param == "with bfloat16"
    monkeypatch.setattr("openvino.Core.get_property", lambda *_: ["FP32", *["BF16"] * has])
    return has


def test_auto_follows_the_processor(has_bfloat16: bool) -> None:
    assert number_type("auto") == ("bf16" if has_bfloat16 else "f32")
    assert number_type("exact") == "f32"


def test_fast_is_refused_where_it_would_be_slow(has_bfloat16: bool) -> None:
    if has_bfloat16:
        assert number_type("fast") == "bf16"
        return
    with pytest.raises(UserError, match="no instructions for bfloat16") as caught:
        number_type("fast")
    assert "--precision auto" in caught.value.do


def test_weights_of_transformers_follow_the_device(has_bfloat16: bool) -> None:
    assert dtype_of("auto", "cpu") == (torch.bfloat16 if has_bfloat16 else torch.float32)
    assert dtype_of("exact", "cpu") == dtype_of("exact", "cuda") == torch.float32
    assert dtype_of("auto", "cuda") == dtype_of("fast", "cuda") == torch.bfloat16


def test_doctor_tells_what_auto_means(has_bfloat16: bool) -> None:
    check = doctor._precision()
    assert check.state == "ok"
    assert check.finding.startswith("auto is fast: models compute in bfloat16" if has_bfloat16 else "auto is exact")


@pytest.mark.embedded
def test_an_engine_names_its_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPER_CACHE", str(tmp_path / "cache"))
    spec = f"embedded:{write_tiny_gguf(tmp_path / 'own.gguf')}"
    exact = make_engine(spec, precision="exact")
    assert ":f32:" in exact.fingerprint and computes_in(exact) == "32-bit floats"
    monkeypatch.setattr("deeper.engine.openvino.engine.number_type", lambda precision: "bf16")
    fast = make_engine(spec)
    assert fast.fingerprint == exact.fingerprint.replace(":f32:", ":bf16:") and computes_in(fast) == "bfloat16"


@pytest.mark.embedded
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot tie a process to a core")
def test_weights_are_converted_on_a_single_core(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from deeper.engine.openvino.convert import write_openvino
for unpacked in (True, False):
    write_openvino(Path(sys.argv[1]), unpacked=unpacked)
"""
    done = subprocess.run([sys.executable, "-c", code, write_tiny_gguf(tmp_path / "model.gguf")], check=False)
    assert done.returncode == 0


@pytest.mark.embedded
def test_a_model_that_is_cut_between_its_layers_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    request = [ScoreRequest(RATER, QUESTIONS, HALF_STARS)]
    [whole] = EmbeddedEngine(precision="exact").score(request)
    cuts: list[int] = []

    def cut_in_the_middle(path: Path, upper_share: float) -> Any:
        parts, head = cut_model(path, 0.5)
        cuts.extend(sum("key_cache" in one.any_name for one in part.inputs) for part in parts)
        return parts, head

    monkeypatch.setattr(paged_model, "cut_model", cut_in_the_middle)
    [parts] = EmbeddedEngine(precision="exact").score(request)
    assert cuts == [15, 15]
    assert_same_scores(parts, whole, 1e-4)


@needs_bfloat16
@pytest.mark.embedded
class TestFast(EngineContract):
    compared_words = 1
    batch_tolerance = FAST_TOLERANCE

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> EmbeddedEngine:
        return EmbeddedEngine(precision="fast")

    def test_scores_are_near_the_exact_ones(self, engine: EmbeddedEngine) -> None:
        requests = [ScoreRequest(RATER, QUESTIONS, HALF_STARS), ScoreRequest(RATER, QUESTIONS, STARS)]
        for fast, exact in zip(engine.score(requests), EmbeddedEngine(precision="exact").score(requests), strict=True):
            assert_same_scores(fast, exact, FAST_TOLERANCE)


class TestBenchmark:
    """What `benchmarks/precision.py` compares."""

    def test_differences_are_shares_of_the_exact_error(self) -> None:
        from deeper.domains import find_domain
        from precision import compared

        domain = find_domain("movielens_small")
        windows = {(domain.id, user): [[], [{"rating": 4.0}, {"rating": 2.0}]] for user in ("a", "b", "c")}
        label = {value: np.eye(len(domain.scale.values))[n].tolist() for n, value in enumerate(domain.scale.values)}

        def predictions(*points: float) -> list[dict[str, object]]:
            named = {"domain": domain.id, "k": 1, "points": list(points), "distribution": [label[p] for p in points]}
            return [{**named, "user": user} for user in ("a", "b", "c")]

        same = compared(predictions(3.0, 3.0), predictions(3.0, 3.0), windows, {domain.id: domain})
        assert (same["users"], same["ratings"]) == (3, 6)
        assert same["mae_difference"]["holds"] and same["medians_that_differ"]["value"] == 0
        worse = compared(predictions(3.0, 3.0), predictions(3.0, 3.5), windows, {domain.id: domain})
        assert worse["mae_difference"]["share"] == worse["crps_difference"]["share"] == 0.25
        assert worse["medians_that_differ"]["value"] == 0.5
        assert not any(worse[name]["holds"] for name in ("mae_difference", "crps_difference", "medians_that_differ"))
