import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.commands.execution.engines import make_engines
from deeper.engine.adapter import write_card
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.persona.prompts.templates import Prompts, load_prompts

PROMPTS = load_prompts()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What engines were made of, in order."""
    made: list[tuple[str, str]] = []

    def make(spec: str, adapter: str, *_: Any) -> ScriptedEngine:
        made.append((spec, adapter))
        return ScriptedEngine()

    monkeypatch.setattr(engine_choice, "make_engine", make)
    return made


def write_adapter(folder: Path, **card: Any) -> str:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}), "utf-8")
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    given = {
        "kind": "policy",
        "base": "0" * 12,
        "templates": PROMPTS.hashes_for("policy"),
        "users": [],
        "provenance": {},
    }
    write_card(folder, **{**given, **card})
    return str(folder)


def test_roles_with_the_same_engine_share_it(asked: list[tuple[str, str]]) -> None:
    engines = make_engines({"policy": ("embedded", ""), "predictor": ("embedded", "")}, PROMPTS, "auto")
    assert engines["policy"] is engines["predictor"]
    assert asked == [("embedded", "")]


def test_an_adapter_makes_an_engine_of_its_own(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a")
    engines = make_engines({"policy": ("embedded", folder), "predictor": ("embedded", "")}, PROMPTS, "auto")
    assert engines["policy"] is not engines["predictor"]
    assert asked == [("embedded", folder), ("embedded", "")]


def test_a_lora_on_a_server_is_taken_by_its_name(asked: list[tuple[str, str]]) -> None:
    make_engines({"policy": ("openai:m", "my-lora"), "predictor": ("openai:m", "my-lora")}, PROMPTS, "auto")
    assert asked == [("openai:m", "my-lora")]


@pytest.mark.parametrize(
    ("role", "message"),
    [("policy", "the adapter of a predictor, not of a policy"), ("predictor", "the adapter of a policy, not of a")],
)
def test_an_adapter_of_the_other_role_is_refused(
    asked: list[tuple[str, str]], tmp_path: Path, role: Any, message: str
) -> None:
    folder = write_adapter(tmp_path / "a", kind="predictor" if role == "policy" else "policy")
    with pytest.raises(UserError, match=message) as caught:
        make_engines({role: ("embedded", folder)}, PROMPTS, "auto")
    assert caught.value.where == folder
    assert asked == []


def test_an_adapter_of_other_prompts_is_refused(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a", templates={**PROMPTS.hashes_for("policy"), "refine": "00000000"})
    with pytest.raises(UserError, match="trained with another text of the prompt refine") as caught:
        make_engines({"policy": ("transformers", folder)}, PROMPTS, "auto")
    assert caught.value.where == folder
    assert asked == []


def test_an_adapter_is_used_beside_a_prompt_that_it_was_not_trained_on(
    asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    folder = write_adapter(tmp_path / "a")
    more = Prompts(PROMPTS.templates)
    more.__dict__["hashes"] = {**PROMPTS.hashes, "reflect": "00000000"}
    make_engines({"policy": ("transformers", folder)}, more, "auto")
    assert asked == [("transformers", folder)]


def test_a_folder_without_an_adapter_is_refused(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the folder is not an adapter"):
        make_engines({"policy": ("embedded", str(tmp_path))}, PROMPTS, "auto")
    assert asked == []


@pytest.mark.parametrize("precision", ["auto", "exact"])
def test_evaluate_runs_in_the_precision_of_its_settings(
    precision: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[str] = []
    monkeypatch.setattr(engine_choice, "make_engine", lambda *given: made.append(given[2]) or ScriptedEngine())
    settings = Settings(precision=precision, users=2, calibration_users=2, rounds=0, methods=("frozen",))
    results = evaluate(settings, tmp_path / "run", Console(file=io.StringIO()))
    assert set(made) == {precision} and results.config["precision"] == precision


def test_evaluate_checks_adapters_before_it_starts(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    policy = write_adapter(tmp_path / "policy")
    predictor = write_adapter(tmp_path / "predictor", kind="predictor", templates={"predict": "00000000"})
    settings = Settings(policy_adapter=policy, predictor_adapter=predictor)
    with pytest.raises(UserError, match="trained with another text of the prompt predict"):
        evaluate(settings, tmp_path / "run", Console(file=io.StringIO()))
    assert asked == []
    assert not (tmp_path / "run").exists()


def test_evaluate_runs_with_the_adapters_of_its_settings(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    policy = write_adapter(tmp_path / "policy")
    predictor = write_adapter(tmp_path / "predictor", kind="predictor", templates=PROMPTS.hashes_for("predictor"))
    settings = Settings(
        policy_adapter=policy, predictor_adapter=predictor, users=2, calibration_users=2, rounds=0, methods=("frozen",)
    )
    results = evaluate(settings, tmp_path / "run", Console(file=io.StringIO()))
    assert asked == [("embedded", policy), ("embedded", predictor)]
    assert results.config["policy_adapter"] == policy
    assert results.config["predictor_adapter"] == predictor


@pytest.mark.parametrize(
    ("trained", "calibration", "kind", "read"),
    [(True, "auto", "off", 0), (True, "on", "domain", 2), (False, "auto", "domain", 2), (False, "off", "off", 0)],
)
def test_a_trained_predictor_is_calibrated_only_if_asked(
    asked: list[tuple[str, str]], tmp_path: Path, trained: bool, calibration: Any, kind: str, read: int
) -> None:
    card = {"kind": "predictor", "templates": PROMPTS.hashes_for("predictor")}
    adapter = write_adapter(tmp_path / "predictor", **card) if trained else ""
    settings = Settings(
        predictor_adapter=adapter, calibration=calibration, users=2, calibration_users=2, rounds=0, methods=("frozen",)
    )
    results = evaluate(settings, tmp_path / "run", Console(file=io.StringIO()))
    assert asked[-1] == ("embedded", adapter)
    assert {entry.calibrated for entry in results.errors} == {kind}
    # Users whom nobody needs are not read.
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text("utf-8"))
    assert manifest["calibration_users"] == read
