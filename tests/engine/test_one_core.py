"""One core: OpenVINO crashes there while it compiles plain floats, unless it is told what to compute in."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType
from tiny_adapter import write_adapter
from tiny_gguf import write_tiny_gguf

from deeper.engine.openvino.weights import prepare_weights

ROOT = Path(__file__).resolve().parents[2]
COMPILING = {"compile_model", "import_model", "ContinuousBatchingPipeline", "LLMPipeline"}
"""What makes OpenVINO compile a model."""


def compiled_in(path: Path) -> set[str]:
    """What a module calls of OpenVINO to compile models; our own functions are called by their bare name."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    imports = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    foreign = {name.asname or name.name for node in imports if (node.module or "").startswith("openvino")
               for name in node.names}  # fmt: skip
    called = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    called |= {call.id for call in calls if isinstance(call, ast.Name) and call.id in foreign}
    return called & COMPILING


def test_models_are_compiled_in_one_place() -> None:
    places = {
        path.relative_to(ROOT).as_posix(): found
        for folder in ("src", "benchmarks", "scripts")
        for path in (ROOT / folder).rglob("*.py")
        if (found := compiled_in(path))
    }
    assert places == {"src/deeper/engine/openvino/compile.py": {"compile_model", "ContinuousBatchingPipeline"}}


def test_each_way_to_compile_says_what_to_compute_in() -> None:
    tree = ast.parse((ROOT / "src/deeper/engine/openvino/compile.py").read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert {function.name for function in functions} == {"compile_model", "make_pipeline"}
    for function in functions:
        assert "INFERENCE_PRECISION_HINT" in ast.unparse(function)


@pytest.mark.embedded
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot tie a process to a core")
def test_an_adapter_is_merged_and_used_on_a_single_core_with_plain_weights_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPER_CACHE", str(tmp_path / "cache"))
    own = write_tiny_gguf(tmp_path / "own.gguf", GGMLQuantizationType.Q8_0)
    adapter = write_adapter(tmp_path / "adapter", base=prepare_weights(own).base)
    code = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from deeper.engine import Prompt, Sampling, ScoreRequest
from deeper.engine.registry import make_engine
engine = make_engine(f"embedded:{sys.argv[1]}", sys.argv[2])
assert engine.generate([Prompt("s", "the")], Sampling(max_tokens=3))[0].failure == ""
assert (engine.score([ScoreRequest(Prompt("s", "the"), ("a",), ("1", "2"))])[0] < 0).all()
"""
    assert subprocess.run([sys.executable, "-c", code, own, adapter], check=False).returncode == 0
