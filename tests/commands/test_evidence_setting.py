"""The setting `evidence` from the flag to the prompts, and what is said of adapters that learnt the other one."""

import io
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from test_engines import write_adapter

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.cli.main import cli
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.commands.execution import shipped as shipped_defaults
from deeper.commands.execution.engines import check_adapter, make_engines, make_predictors
from deeper.commands.pairs.pairs import make_pairs
from deeper.commands.pairs.settings import PairSettings
from deeper.commands.reward.reward import reward_directions
from deeper.commands.reward.settings import RewardSettings
from deeper.commands.sample.sample import sample_directions
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import ServerSettings
from deeper.engine import adapter as adapters
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine
from deeper.errors import UserError
from deeper.persona.prompts.templates import Evidence, Prompts, evidence_of, load_prompts

QUIET = Console(file=io.StringIO())
SCRIPTED: dict[str, Any] = {"policy_engine": "scripted", "predictor_engine": "scripted", "calibration": "off"}
OTHER: dict[Evidence, Evidence] = {"none": "kinds", "kinds": "none"}


def prompts_with(evidence: Evidence, folder: str = "") -> Prompts:
    return load_prompts(folder, evidence)


def policy_learnt(folder: Path, prompts: Prompts) -> str:
    return write_adapter(folder, templates=prompts.hashes_for("policy"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedEngine]:
    """The engines that were made, all scripted."""
    engines: list[ScriptedEngine] = []

    def make(*_: Any) -> ScriptedEngine:
        engines.append(ScriptedEngine())
        return engines[-1]

    monkeypatch.setattr(engine_choice, "make_engine", make)
    return engines


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "planted"
    write_planted(plant_users(24, 4, seed=3), folder)
    return folder


@pytest.fixture
def own_prompts(tmp_path: Path) -> str:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "refine.txt").write_text("Be kind.\n---\n$persona\n$discrepancies\n", "utf-8")
    return str(tmp_path / "prompts")


class TestAdapterOfOtherEvidence:
    @pytest.mark.parametrize("here", ["none", "kinds"])
    @pytest.mark.parametrize("has_own_prompts", [False, True])
    def test_the_error_names_both_and_says_what_to_give(
        self, made: list[ScriptedEngine], tmp_path: Path, own_prompts: str, here: Evidence, has_own_prompts: bool
    ) -> None:
        texts = own_prompts if has_own_prompts else ""
        folder = policy_learnt(tmp_path / "policy", prompts_with(OTHER[here], texts))
        with pytest.raises(UserError) as caught:
            make_engines({"policy": ("embedded", folder)}, prompts_with(here, texts), "auto")
        assert f"trained with evidence {OTHER[here]}, and evidence is {here} here" in str(caught.value)
        assert caught.value.do == f"give --evidence {OTHER[here]} (in Python: evidence='{OTHER[here]}')"
        assert caught.value.where == folder and made == []
        make_engines({"policy": ("embedded", folder)}, prompts_with(OTHER[here], texts), "auto")
        assert len(made) == 1

    def test_other_texts_are_told_as_other_texts(
        self, made: list[ScriptedEngine], tmp_path: Path, own_prompts: str
    ) -> None:
        folder = policy_learnt(tmp_path / "policy", prompts_with("kinds", own_prompts))
        for here in OTHER:
            with pytest.raises(UserError, match="trained with another text of the prompt refine") as caught:
                make_engines({"policy": ("embedded", folder)}, prompts_with(here), "auto")
            assert ("trained with evidence kinds, and" in str(caught.value)) == (here == "none")
            assert "(setting prompts)" in caught.value.do
            assert ("give --evidence kinds" in caught.value.do) == (here == "none")
        pairs_of_own = prompts_with("none", own_prompts).hashes_for("policy")
        with pytest.raises(UserError, match="trained with another text of the prompts initialise, refine"):
            check_adapter("policy", Path(folder), pairs_of_own)

    def test_a_predictor_is_asked_the_same_with_both(self, made: list[ScriptedEngine], tmp_path: Path) -> None:
        templates = prompts_with("kinds").hashes_for("predictor")
        folder = write_adapter(tmp_path / "predictor", kind="predictor", templates=templates)
        for here in OTHER:
            prompts = prompts_with(here)
            make_engines({"predictor": ("embedded", folder)}, prompts, "auto")
            make_predictors(
                "embedded", [folder], prompts, [("d", "u")], "auto", ServerSettings(),
                domains={}, readout="distribution", seed=1,
            )  # fmt: skip
        assert len(made) == 4

    def test_a_training_goes_on_from_an_adapter_whatever_its_prompts(self, tmp_path: Path) -> None:
        for evidence in OTHER:
            folder = policy_learnt(tmp_path / evidence, prompts_with(evidence))
            assert check_adapter("policy", Path(folder), None).templates == prompts_with(evidence).hashes_for("policy")
        changed = write_adapter(tmp_path / "changed", templates={"refine": "00000000", "gone": "11111111"})
        assert check_adapter("policy", Path(changed), None).kind == "policy"
        with pytest.raises(UserError, match="the adapter of a policy, not of a predictor"):
            check_adapter("predictor", Path(changed), None)

    def test_pairs_of_other_evidence_are_to_be_sampled_again(self, tmp_path: Path) -> None:
        folder = Path(policy_learnt(tmp_path / "policy", prompts_with("kinds")))
        with pytest.raises(UserError, match="trained with evidence kinds, and the pairs were sampled with") as caught:
            check_adapter("policy", folder, prompts_with("none").hashes_for("policy"))
        assert "deeper sample --evidence kinds" in caught.value.do
        with pytest.raises(UserError, match="trained with another text"):  # published pairs name no templates
            check_adapter("policy", folder, {})

    @pytest.mark.parametrize("command", ["evaluate", "demo"])
    def test_the_papers_protocol_with_the_shipped_policy_says_to_run_untuned(
        self, made: list[ScriptedEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        learnt = {**shipped_defaults.LEARNT_WITH["policy"], "evidence": "kinds"}
        monkeypatch.setattr(shipped_defaults, "LEARNT_WITH", {**shipped_defaults.LEARNT_WITH, "policy": learnt})
        shipped = tmp_path / "shipped"
        shipped.mkdir()
        policy_learnt(shipped / "small-policy", prompts_with("kinds"))
        templates = prompts_with("kinds").hashes_for("predictor")
        write_adapter(shipped / "small-predictor", kind="predictor", templates=templates)
        for module in (adapters, engine_choice):
            monkeypatch.setattr(module, "SHIPPED", shipped)
        monkeypatch.chdir(tmp_path)
        words = (command, "--users", "2", "--rounds", "0", "--methods", "frozen", "--evidence", "none")
        with pytest.raises(UserError, match="the package's policy was trained with evidence kinds") as caught:
            cli.main([*words, "--out", "run"], standalone_mode=False)
        assert "cannot be used with evidence none" in str(caught.value)
        assert "--evidence kinds" in caught.value.do and "--untuned --evidence none" in caught.value.do
        assert caught.value.where == "small-policy" and made == [] and not Path("run").exists()
        cli.main([*words, "--untuned", "--out", "run"], standalone_mode=False)
        assert tomllib.loads(Path("run/config.toml").read_text("utf-8"))["evidence"] == "none"
        cli.main([*words[:-2], "--out", "learnt"], standalone_mode=False)
        found = tomllib.loads(Path("learnt/config.toml").read_text("utf-8"))
        assert (found["evidence"], found["policy_adapter"]) == ("kinds", "small-policy")


class TestHashes:
    def test_they_tell_the_evidence(self, own_prompts: str) -> None:
        for texts in ("", own_prompts):
            for evidence in OTHER:
                hashes = prompts_with(evidence, texts).hashes_for("policy")
                assert evidence_of(hashes, prompts_with(OTHER[evidence], texts)) == evidence
                assert evidence_of({"refine": hashes["refine"]}, load_prompts(texts)) == evidence
        assert evidence_of(prompts_with("kinds", own_prompts).hashes_for("policy"), load_prompts()) is None
        assert evidence_of({}, load_prompts()) is None and evidence_of({"refine": "0"}, load_prompts()) is None

    def test_without_evidence_they_are_those_of_versions_that_had_none(self) -> None:
        """Else adapters and runs of these versions would be refused although their prompts are the same."""
        found = prompts_with("none").hashes_for("policy")
        assert found == {
            "initialise": "e3a0361d", "refine": "314fbb5a", "incremental_update": "09ce32b1", "merge": "726ca5fb",
        }  # fmt: skip
        with_kinds = prompts_with("kinds").hashes_for("policy")
        assert {name for name in found if with_kinds[name] == found[name]} == {"merge"}, "it shows no ratings"


@pytest.mark.parametrize("evidence", ["none", "kinds"])
def test_evaluate_asks_with_it_and_the_results_say_so(
    made: list[ScriptedEngine], planted: Path, tmp_path: Path, evidence: Evidence
) -> None:
    settings = Settings(data=str(planted), users=2, rounds=1, methods=("refine",), evidence=evidence, **SCRIPTED)
    results = evaluate(settings, tmp_path / "run", QUIET)
    asked = [call.prompt.user for engine in made for call in engine.asked if isinstance(call, GenerateCall)]
    assert len(asked) == 4
    has_evidence = ["verdicts " in text and "; this person is " in text for text in asked]
    assert has_evidence == [evidence == "kinds"] * 4
    assert results.config["evidence"] == evidence
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text("utf-8"))
    assert manifest["config"]["evidence"] == evidence
    assert manifest["prompt_version"] == prompts_with(evidence).version


def rewarded(folder: Path, data: Path, evidence: Evidence) -> Path:
    settings = SampleSettings(data=str(data), directions=3, users=8, evidence=evidence, **SCRIPTED)
    sample_directions(settings, folder, QUIET)
    reward_directions(RewardSettings(), folder, QUIET)
    return folder


@pytest.fixture(scope="module")
def sampled(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Evidence, Path]:
    """Rewarded runs, by their evidence."""
    place = tmp_path_factory.mktemp("runs")
    return {evidence: rewarded(place / evidence, planted, evidence) for evidence in OTHER}


ANY = PairSettings(tau_plus=-9, tau_minus=9, margin=0, force=True)
"""Settings that every two directions meet."""


@pytest.mark.parametrize("evidence", ["none", "kinds"])
def test_pairs_hold_the_prompts_that_were_sampled_with(
    sampled: dict[Evidence, Path], tmp_path: Path, evidence: Evidence
) -> None:
    run = sampled[evidence]
    manifest, report = (json.loads((run / name).read_text("utf-8")) for name in ("manifest.json", "reward.json"))
    assert manifest["config"]["evidence"] == report["sampled"]["evidence"] == evidence
    assert evidence_of(manifest["templates"], load_prompts()) == evidence
    made = make_pairs(ANY, [run], tmp_path / "pairs")
    assert made["templates"] == manifest["templates"]
    assert [one["sampled"]["evidence"] for one in made["runs"]] == [evidence]
    asked = [row["prompt"][1]["content"] for row in pq.read_table(tmp_path / "pairs" / "train.parquet").to_pylist()]
    assert asked and all(("; this person is " in text) == (evidence == "kinds") for text in asked)


def test_runs_of_different_evidence_make_no_pairs_together(sampled: dict[Evidence, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the runs have different evidence \(.*none none, .*kinds kinds\)"):
        make_pairs(ANY, list(sampled.values()), tmp_path / "pairs")


def without_evidence(run: Path) -> Path:
    """A run folder as versions without the setting left it."""
    lines = (run / "config.toml").read_text("utf-8").splitlines(keepends=True)
    (run / "config.toml").write_text("".join(one for one in lines if not one.startswith("evidence = ")), "utf-8")
    return run


def test_a_sampled_run_of_a_version_without_the_setting_is_read_as_none(
    sampled: dict[Evidence, Path], tmp_path: Path
) -> None:
    run = without_evidence(Path(shutil.copytree(sampled["none"], tmp_path / "run")))
    reward_directions(RewardSettings(reward="crps"), run, QUIET)
    made = make_pairs(ANY, [run], tmp_path / "pairs")
    assert made["runs"][0]["sampled"]["evidence"] == "none"


def test_an_evaluation_of_a_version_without_the_setting_goes_on_as_none(planted: Path, tmp_path: Path) -> None:
    settings = Settings(data=str(planted), users=2, rounds=0, methods=("frozen",), **SCRIPTED)
    before = evaluate(settings, tmp_path / "run", QUIET).as_json()
    without_evidence(tmp_path / "run")
    assert evaluate(settings, tmp_path / "run", QUIET).as_json()["errors"] == before["errors"]
    with pytest.raises(UserError, match=r'evidence = "kinds" \(was "none"\)'):
        evaluate(settings.model_copy(update={"evidence": "kinds"}), tmp_path / "run", QUIET)


@pytest.mark.parametrize(
    "words", [("evaluate",), ("demo",), ("sample",), ("learn",), ("train", "predictor"), ("train", "coldstart")]
)
def test_the_flag_is_explained(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*words, "--help"], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "--evidence [none|kinds]" in said and "predicted too high or too low" in said
