import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from deeper.engine.openai.engine import OpenAIEngine
from deeper.engine.registry import make_engine
from deeper.engine.scripted.engine import ScriptedEngine
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


def test_an_adapter_on_a_server_goes_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu-box:8000/v1")
    assert make_engine("openai:m", "my-lora").fingerprint == "openai:m+my-lora@http://gpu-box:8000/v1"


@pytest.mark.parametrize(("adapter", "folder"), [("", None), ("runs/a b", Path("runs/a b"))])
@pytest.mark.parametrize(("spec", "weights"), [("embedded", None), ("embedded:/a b/m.gguf", Path("/a b/m.gguf"))])
def test_embedded_takes_paths(
    monkeypatch: pytest.MonkeyPatch, spec: str, weights: Path | None, adapter: str, folder: Path | None
) -> None:
    stub = SimpleNamespace(EmbeddedEngine=lambda *given: ("embedded", *given))
    monkeypatch.setitem(sys.modules, "deeper.engine.openvino.engine", stub)
    assert make_engine(spec, adapter) == ("embedded", weights, folder, "auto")
    assert make_engine(spec, adapter, "exact") == ("embedded", weights, folder, "exact")


def test_scripted_takes_no_adapter() -> None:
    with pytest.raises(UserError, match="the engine scripted takes no adapter") as caught:
        make_engine("scripted", "runs/mine")
    assert caught.value.where == "runs/mine"


@pytest.mark.parametrize("spec", ["", "gpt", "embedded:", "scripted:x", "Embedded"])
def test_what_is_no_engine_is_answered_with_the_kinds(spec: str) -> None:
    with pytest.raises(UserError, match="there is no engine") as caught:
        make_engine(spec)
    for kind in ("embedded", "embedded:PATH.gguf", "openai:MODEL", "scripted"):
        assert kind in str(caught.value)


@pytest.mark.parametrize("spec", ["openai", "openai:"])
def test_an_engine_without_its_model_is_answered_with_how_to_name_one(spec: str) -> None:
    with pytest.raises(UserError, match="the engine openai: needs the name of a model") as caught:
        make_engine(spec)
    assert caught.value.do == "write openai:MODEL"


def test_importing_the_registry_imports_no_engine() -> None:
    code = "import json, sys, deeper.engine.registry; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"openvino", "openvino_genai", "openai", "deeper.engine.openvino.engine", "deeper.engine.openai.engine"}
    assert not heavy & set(json.loads(shown))
