"""Who takes the shipped adapters: evaluate, demo and trackers, for each role that the user left alone."""

import logging
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_engines import write_adapter

from deeper.cli.main import cli
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.commands.execution import shipped
from deeper.commands.execution.shipped import LEARNT_WITH, POLICY_TOKENS, notes_on_shipped, with_shipped
from deeper.engine import adapter as adapters
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE, words_hash
from deeper.persona.prompts.templates import load_prompts
from deeper.tracker import PersonaTracker
from deeper.tracker.settings import TrackerSettings

POLICY, PREDICTOR = "small-policy", "small-predictor"
KINDS, POPULATION = "kinds", "population"
CHOSEN: list[tuple[dict[str, Any], tuple[str, str, int, str, str]]] = [
    ({}, (POLICY, PREDICTOR, POLICY_TOKENS, KINDS, POPULATION)),
    ({"seed": 3}, (POLICY, PREDICTOR, POLICY_TOKENS, KINDS, POPULATION)),
    ({"max_persona_tokens": 120}, (POLICY, PREDICTOR, 120, KINDS, POPULATION)),
    ({"evidence": "none"}, (POLICY, PREDICTOR, POLICY_TOKENS, "none", POPULATION)),
    ({"item_knowledge": "none"}, (POLICY, PREDICTOR, POLICY_TOKENS, KINDS, "none")),
    ({"policy_engine": "scripted"}, ("", PREDICTOR, 120, "none", POPULATION)),
    ({"policy_engine": "embedded"}, ("", PREDICTOR, 120, "none", POPULATION)),
    ({"predictor_engine": "scripted"}, (POLICY, "", POLICY_TOKENS, KINDS, "none")),
    ({"predictor_adapter": "mine"}, (POLICY, "mine", POLICY_TOKENS, KINDS, "none")),
    ({"policy_adapter": ""}, ("", PREDICTOR, 120, "none", POPULATION)),
    ({"policy_adapter": "", "evidence": "kinds"}, ("", PREDICTOR, 120, KINDS, POPULATION)),
    ({"prompts": "own"}, ("", "", 120, "none", "none")),
]


@pytest.fixture(autouse=True)
def learnt_with_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapters of these tests have learnt with evidence and item knowledge; those of the package need not have."""
    learnt = {"policy": {**LEARNT_WITH["policy"], "evidence": KINDS}, "predictor": {"item_knowledge": POPULATION}}
    monkeypatch.setattr(shipped, "LEARNT_WITH", learnt)


@pytest.mark.parametrize("kind", [Settings, TrackerSettings])
@pytest.mark.parametrize(("given", "expected"), CHOSEN)
def test_a_role_that_nobody_chose_takes_its_adapter_and_what_that_learnt_with(
    kind: type[Settings] | type[TrackerSettings], given: dict[str, Any], expected: tuple[str, str, int, str, str]
) -> None:
    settings = with_shipped(kind(**given))
    names = ("policy_adapter", "predictor_adapter", "max_persona_tokens", "evidence", "item_knowledge")
    assert tuple(getattr(settings, name) for name in names) == expected
    if isinstance(settings, Settings):
        assert settings.calibrates == (not expected[1])
    plain = with_shipped(kind(**given), untuned=True)
    assert plain == kind(**given)


def test_the_licence_of_what_is_used_is_in_one_line() -> None:
    assert notes_on_shipped(Settings(), untuned=False) == []
    assert notes_on_shipped(with_shipped(Settings()), untuned=False) == [
        "using the adapters of the package, small-policy and small-predictor "
        "(CC BY-NC 4.0, for research use only); for commercial use, choose --untuned or another model"
    ]
    [note] = notes_on_shipped(Settings(policy_adapter=POLICY), untuned=False)
    assert note.startswith("using the adapter of the package, small-policy (CC")


class Made(list[tuple[str, str]]):
    """The engines that were asked for; scripted ones in their place."""

    def __call__(self, spec: str, adapter: str, *_: object) -> ScriptedEngine:
        self.append((spec, adapter))
        return ScriptedEngine()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Made:
    """Stand-ins for the adapters of the package, which learnt what these bring along, and for engines."""
    prompts, folder = load_prompts("", "kinds"), tmp_path / "shipped"
    folder.mkdir()
    write_adapter(folder / POLICY, templates=prompts.hashes_for("policy"))
    known = {**prompts.hashes_for("predictor"), ITEM_KNOWLEDGE: words_hash()}
    write_adapter(folder / PREDICTOR, kind="predictor", templates=known)
    for module in (adapters, engine_choice):
        monkeypatch.setattr(module, "SHIPPED", folder)
    made = Made()
    monkeypatch.setattr(engine_choice, "make_engine", made)
    monkeypatch.chdir(tmp_path)
    return made


COMMANDS: list[tuple[Sequence[str], list[tuple[str, str]], tuple[int, str, str]]] = [
    (("evaluate",), [("embedded", POLICY), ("embedded", PREDICTOR)], (POLICY_TOKENS, KINDS, POPULATION)),
    (("evaluate", "--untuned"), [("embedded", "")], (120, "none", "none")),
    (("demo",), [("embedded", POLICY), ("embedded", PREDICTOR)], (POLICY_TOKENS, KINDS, POPULATION)),
    (("demo", "--untuned"), [("embedded", "")], (POLICY_TOKENS, "none", "none")),
    (("evaluate", "--policy-engine", "openai:m"), [("openai:m", ""), ("embedded", PREDICTOR)],
     (120, "none", POPULATION)),
]  # fmt: skip


@pytest.mark.parametrize(("words", "engines", "learnt"), COMMANDS, ids=lambda value: str(value)[:40])
def test_a_run_folder_names_what_was_used_and_the_same_command_continues_in_it(
    made: Made,
    capsys: pytest.CaptureFixture[str],
    words: Sequence[str],
    engines: list[tuple[str, str]],
    learnt: tuple[int, str, str],
) -> None:
    size = ("--users", "2", "--rounds", "0", "--methods", "frozen,user_median", "--out", "run")
    for _ in range(2):
        made.clear()
        cli.main([*words, *size], standalone_mode=False)
        assert made == engines
        used = any(adapter for _, adapter in engines)
        assert capsys.readouterr().err.count("CC BY-NC 4.0, for research use only") == used
    config = tomllib.loads(Path("run/config.toml").read_text("utf-8"))
    assert (config["policy_engine"], config["policy_adapter"]) == engines[0]
    assert config["predictor_adapter"] == engines[-1][1]
    assert (config["max_persona_tokens"], config["evidence"], config["item_knowledge"]) == learnt


def test_a_tracker_takes_them_says_so_and_is_loaded_as_it_was(
    made: Made, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level(logging.INFO, "deeper"):
        live = PersonaTracker("movielens_small")
    assert "CC BY-NC 4.0" in caplog.text
    assert made == [("embedded", POLICY), ("embedded", PREDICTOR)]
    live.save(tmp_path / "kept")
    live.close()
    made.clear()
    with PersonaTracker.load(tmp_path / "kept") as again:
        assert made == [("embedded", POLICY), ("embedded", PREDICTOR)]
        learnt = again._settings
        assert (learnt.max_persona_tokens, learnt.evidence, learnt.item_knowledge) == (POLICY_TOKENS, KINDS, POPULATION)


def test_a_saved_tracker_with_another_engine_loses_the_adapter_of_the_package(made: Made, tmp_path: Path) -> None:
    live = PersonaTracker("movielens_small")
    live.save(tmp_path / "kept")
    live.close()
    made.clear()
    with PersonaTracker.load(tmp_path / "kept", policy_engine=ScriptedEngine()) as again:
        assert made == [("embedded", PREDICTOR)]
        assert again._settings.policy_adapter == ""


def test_an_untuned_tracker_stays_untuned_and_one_with_an_engine_takes_the_other_adapter(
    made: Made, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    live = PersonaTracker("movielens_small", untuned=True)
    live.save(tmp_path / "kept")
    live.close()
    PersonaTracker.load(tmp_path / "kept").close()
    assert made == [("embedded", "")] * 2 and "CC BY-NC" not in caplog.text
    made.clear()
    assert PersonaTracker("movielens_small", policy_engine=ScriptedEngine())._settings.max_persona_tokens == 120
    assert made == [("embedded", PREDICTOR)]


@pytest.mark.parametrize("command", ["demo", "evaluate"])
def test_own_prompts_leave_the_adapters_out_and_both_commands_say_so(
    made: Made, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    own_prompt()
    size = ("--users", "2", "--rounds", "0", "--methods", "frozen,user_median", "--prompts", "mine", "--out", "run")
    cli.main([command, *size], standalone_mode=False)
    assert made == [("embedded", "")]
    said = capsys.readouterr().err
    assert said.count("your own prompts are not those that small-policy and small-predictor learnt") == 1
    assert "--untuned" in said
    assert f"--policy-adapter small-policy --max-persona-tokens {POLICY_TOKENS} --evidence kinds" in said
    assert "--predictor-adapter small-predictor --item-knowledge population" in said
    made.clear()
    cli.main([command, *size, "--untuned"], standalone_mode=False)
    assert "your own prompts" not in capsys.readouterr().err
    named = (*size[:-1], "other", "--policy-adapter", POLICY)
    with pytest.raises(UserError, match="another text of the prompt refine") as caught:
        cli.main([command, *named, "--evidence", "kinds"], standalone_mode=False)
    assert "name no adapter" in caught.value.do
    with pytest.raises(UserError, match="evidence kinds, .*another text of the prompt refine"):
        cli.main([command, *named], standalone_mode=False)
    assert not Path("other").exists()


def test_a_tracker_says_the_same(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    own_prompt()
    PersonaTracker("movielens_small", prompts="mine").close()
    assert made == [("embedded", "")]
    assert "your own prompts are not those that small-policy and small-predictor learnt" in caplog.text
    caplog.clear()
    PersonaTracker("movielens_small", prompts="mine", predictor_engine=ScriptedEngine()).close()
    assert "those that small-policy learnt" in caplog.text


def own_prompt() -> None:
    """A folder `mine` with another text of refine."""
    Path("mine").mkdir()
    Path("mine/refine.txt").write_text("Be kind.\n---\n$persona\n$discrepancies\n", "utf-8")
