import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from deeper.engine.openai_engine import OpenAIEngine
from deeper.engine.registry import make_engine
from deeper.engine.scripted import ScriptedEngine
from deeper.errors import UserError


def test_scripted() -> None:
    assert isinstance(make_engine("scripted"), ScriptedEngine)


def test_openai_takes_address_and_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu-box:8000/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    engine = make_engine("openai:org/model:7b")
    assert isinstance(engine, OpenAIEngine)
    assert engine.fingerprint == "openai:org/model:7b@http://gpu-box:8000/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert make_engine("openai:m").fingerprint == "openai:m@https://api.openai.com/v1"


@pytest.mark.parametrize(("spec", "weights"), [("embedded", None), ("embedded:/a b/m.gguf", Path("/a b/m.gguf"))])
def test_embedded_takes_a_path(monkeypatch: pytest.MonkeyPatch, spec: str, weights: Path | None) -> None:
    stub = SimpleNamespace(EmbeddedEngine=lambda weights: ("embedded", weights))
    monkeypatch.setitem(sys.modules, "deeper.engine.embedded", stub)
    assert make_engine(spec) == ("embedded", weights)


@pytest.mark.parametrize("spec", ["", "gpt", "openai", "openai:", "embedded:", "scripted:x", "Embedded"])
def test_what_is_no_engine_is_answered_with_the_kinds(spec: str) -> None:
    with pytest.raises(UserError, match="there is no engine") as caught:
        make_engine(spec)
    for kind in ("embedded", "embedded:PATH.gguf", "openai:MODEL", "scripted"):
        assert kind in str(caught.value)


def test_importing_the_registry_imports_no_engine() -> None:
    code = "import json, sys, deeper.engine.registry; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"openvino", "openvino_genai", "openai", "deeper.engine.embedded", "deeper.engine.openai_engine"}
    assert not heavy & set(json.loads(shown))
