"""`deeper learn` as a whole: its steps, what they leave behind, and that none is done twice.

The training runs are real ones of a tiny model; the engines are scripted, and write other texts with another adapter.
"""

import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.splits import part, user_hash
from deeper.commands.execution import engines
from deeper.commands.learn import learn as pipeline
from deeper.commands.learn.learn import STEPS, Audience, learn
from deeper.commands.learn.report import LearningReport
from deeper.commands.learn.settings import LearnSettings
from deeper.engine import Prompt
from deeper.engine.adapter import load_adapter
from deeper.engine.scripted.engine import TASTES, THINGS, ScriptedEngine
from deeper.errors import UserError
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.updaters import refine

# The tiny models of the engines' tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))

NAMES = ["before"] + [f"{i}/{step}" for i in (1, 2) for step in ("sample", "reward", "pairs", "policy", "validation")]
FUNCTIONS = ("evaluate", "sample_directions", "reward_directions", "make_pairs")


def scripted(spec: str, adapter: str, *_: object) -> ScriptedEngine:
    """An engine that writes at random, by its adapter."""
    digest = load_adapter(Path(adapter)).digest if adapter else ""

    def reply(prompt: Prompt, sample: int) -> str:
        draw = Random(f"{digest}{prompt}{sample}")
        return (
            f"This person {draw.choice(TASTES)} {draw.choice(THINGS)} and {draw.choice(TASTES)} {draw.choice(THINGS)}."
        )

    engine = ScriptedEngine(reply=reply)
    engine.fingerprint = f"scripted:{spec}:{digest}"
    return engine


@pytest.fixture(scope="module", autouse=True)
def scripted_engines() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "make_engine", scripted)
        yield


class Quiet:
    """Shows no training."""

    def show(self, progress: Any) -> None:
        pass


class Listener:
    """Keeps what it was told; is interrupted after some steps."""

    def __init__(self, interrupted_after: frozenset[int] = frozenset()) -> None:
        self.told: list[int] = []
        self.left = set(interrupted_after)

    def __call__(self, folder: Path, report: Mapping[str, Any]) -> None:
        self.told.append(len(report["steps"]))
        assert json.loads((folder / "learn.json").read_text("utf-8")) == report
        if self.told[-1] in self.left:
            self.left.remove(self.told[-1])
            raise KeyboardInterrupt

    @property
    def audience(self) -> Audience:
        return Audience(Console(quiet=True), lambda: nullcontext(Quiet()), self)


def timeless(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report without what a clock gives, and without where it lies."""
    kept = {name: value for name, value in report.items() if name not in ("steps", "commit")}
    for found in (kept := json.loads(json.dumps(kept)))["iterations"]:
        training = found["training"]
        for name in (
            "seconds",
            "reference_seconds",
            "examples_per_second",
            "tokens_per_second",
            "settings",
            "provenance",
        ):
            del training[name]
        for entry in training["loss"]:
            del entry["seconds"], entry["tokens_per_second"]
    return kept


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> LearnSettings:
    from tiny_llama import write_tiny_llama

    place = tmp_path_factory.mktemp("learn")
    write_planted(plant_users(60, 4, seed=3), place / "planted")
    (place / "prompts").mkdir()
    for name, asked in (("initialise", "$ratings"), ("refine", "$persona\n$discrepancies")):
        (place / "prompts" / f"{name}.txt").write_text(f"Be kind.\n---\n{asked}\n", "utf-8")
    engine = f"transformers:{write_tiny_llama(tmp_path_factory.mktemp('model'), context_tokens=8192)}"
    return LearnSettings(
        data=str(place / "planted"), prompts=str(place / "prompts"), users=14, directions=4,
        policy_engine=engine, predictor_engine=engine, calibration="off",
        max_persona_tokens=16, margin=(0.0, 0.1), max_pairs=(1, 2), steps=3, batch=2,
        learning_rate=1e-3, cutoff=8192, save_every=2, validate_every=3, validation_users=3, calibration_users=2,
        rounds=1, evidence="kinds",
    )  # fmt: skip


@pytest.fixture(scope="module")
def learnt(settings: LearnSettings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder that was learnt in without a break, and its report."""
    out = tmp_path_factory.mktemp("learnt") / "whole"
    listener = Listener()
    report = learn(settings, out, listener.audience, force=True)
    assert listener.told == list(range(1, STEPS + 1))
    return out, report


def test_both_iterations_are_done_and_judged(learnt: tuple[Path, dict[str, Any]]) -> None:
    out, report = learnt
    assert report == json.loads((out / "learn.json").read_text("utf-8"))
    assert [step["name"] for step in report["steps"]] == NAMES and len(NAMES) == report["steps_total"]
    assert LearningReport.model_validate(report).as_json() == report
    assert report["recipes"].keys() == {"reward", "measure", "length_alarms"}
    assert list(report["validation"]) == ["before", "1", "2"]
    assert "against_before" not in report["validation"]["before"]
    for stage in ("1", "2"):
        before, after = (report["validation"][name] for name in ("before", stage))
        change = after["against_before"]
        assert change["users"] == 3
        expected = after["methods"]["refine"]["mae"] - before["methods"]["refine"]["mae"]
        assert change["difference"] == pytest.approx(expected, abs=1e-5)
        assert after["methods"]["user_median"] == before["methods"]["user_median"], "numbers only, the same users"
    for found in report["iterations"]:
        assert [entry["step"] for entry in found["training"]["loss"]] == [1, 2, 3]
        assert found["reward"]["examples"] and found["pairs"]["counts"]["train"]["pairs"] > 0
    assert any("by force" in note for note in report["notes"])


def test_each_policy_goes_on_from_the_one_before(learnt: tuple[Path, dict[str, Any]]) -> None:
    out, report = learnt
    first, second = (load_adapter(out / str(i) / "policy") for i in (1, 2))
    assert first.kind == second.kind == "policy"
    assert first.digest != second.digest and first.users <= second.users
    begun = [found["training"]["policy_adapter"] for found in report["iterations"]]
    assert begun == ["", first.digest]
    writers = [
        json.loads((out / place / "manifest.json").read_text("utf-8"))["engines"]["policy"]
        for place in ("before", "1/sampled", "1/validation", "2/sampled", "2/validation")
    ]
    assert writers[0] == writers[1] != writers[2] == writers[3] != writers[4]


def test_the_second_iteration_has_contexts_of_the_second_refinement(learnt: tuple[Path, dict[str, Any]]) -> None:
    out, _ = learnt
    found = [set(pq.read_table(out / f"{i}/sampled/contexts.parquet")["k"].to_pylist()) for i in (1, 2)]
    assert found == [{1}, {1, 2}]


def test_each_step_has_the_evidence_that_learning_was_given(
    learnt: tuple[Path, dict[str, Any]], settings: LearnSettings
) -> None:
    out, _ = learnt
    for place in ("before", "1/sampled", "1/validation", "2/sampled", "2/validation"):
        manifest = json.loads((out / place / "manifest.json").read_text("utf-8"))
        assert manifest["config"]["evidence"] == "kinds", place
    templates = load_prompts(settings.prompts, "kinds").hashes_for("policy")
    for number in (1, 2):
        report = json.loads((out / f"{number}/pairs/pairs.json").read_text("utf-8"))
        assert [run["sampled"]["evidence"] for run in report["runs"]] == ["kinds"]
        pairs = pq.read_table(out / f"{number}/pairs/train.parquet").to_pylist()
        assert pairs and all("this person is known for a while" in row["prompt"][1]["content"] for row in pairs)
        assert load_adapter(out / f"{number}/policy").templates == templates


def test_no_validation_user_is_learnt_from(learnt: tuple[Path, dict[str, Any]]) -> None:
    out, _ = learnt
    judged = pq.read_table(out / "2/validation/errors.parquet").to_pylist()
    assert {part(row["domain"], row["user"]) for row in judged} == {"validation"}
    hashes = {user_hash(row["domain"], row["user"]) for row in judged}
    assert not hashes & load_adapter(out / "2/policy").users


def test_a_finished_run_does_nothing_again(
    learnt: tuple[Path, dict[str, Any]], settings: LearnSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, report = learnt

    def never(*_: Any) -> None:
        raise AssertionError("a finished step is done again")

    for name in FUNCTIONS:
        monkeypatch.setattr(pipeline, name, never)
    assert learn(settings, out, Listener().audience) == report


def test_a_run_that_is_stopped_after_each_kind_of_step_ends_as_an_undisturbed_one(
    learnt: tuple[Path, dict[str, Any]], settings: LearnSettings, tmp_path: Path
) -> None:
    _, whole = learnt
    stopped_after = frozenset({*range(1, 7), 9})  # up to the end of iteration 1, and at the pairs of iteration 2
    out, listener = tmp_path / "cut", Listener(stopped_after)
    with pytest.raises(KeyboardInterrupt):
        learn(settings, out, listener.audience)
    with pytest.raises(KeyboardInterrupt):
        learn(settings, out, listener.audience)
    with pytest.raises(KeyboardInterrupt):
        learn(settings, out, listener.audience)
    # The reward of a predictor that answers at random cannot be trusted.
    with pytest.raises(UserError, match="cannot be trusted"):
        learn(settings, out, listener.audience)
    assert not (out / "1/pairs").exists()
    stops = 3
    while True:
        try:
            report = learn(settings, out, listener.audience, force=True)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops == len(stopped_after)
    assert timeless(report) == timeless(whole)
    for name in ("1/policy", "2/policy"):
        assert load_adapter(out / name).digest == load_adapter(learnt[0] / name).digest


def test_sampling_is_done_again_after_an_edit_of_the_updater(
    settings: LearnSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, source = tmp_path / "out", Path(refine.__file__)

    def learn_with(edited: str, **options: bool) -> list[str]:
        """What the first five steps say if the updater's file has this text."""
        # A file of its own for each text: the text of a loaded file is read once.
        file = tmp_path / f"refine-{len(edited)}.py"
        file.write_text(edited, "utf-8")
        monkeypatch.setattr(refine, "__file__", str(file))
        console = Console(file=io.StringIO(), width=500)
        audience = Audience(console, lambda: nullcontext(Quiet()), Listener(frozenset({5})))
        with pytest.raises(KeyboardInterrupt):
            learn(settings, out, audience, True, **options)
        said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        return [line.partition(": ")[2] for line in said if line.startswith("Step ")]

    text = source.read_text("utf-8")
    name, edited = refine.__name__, f"{text}\nEDITED = True\n"
    assert learn_with(text) == NAMES[:5]
    shards = set((out / "1/sampled/sample").glob("*.parquet"))
    assert learn_with(f"# A comment.\n{text}") == [f"{step}, done before" for step in NAMES[:5]]

    kept = learn_with(edited, reuse_shards=True)
    assert kept[1] == f"1/sample, done before by older code ({name})"
    assert set((out / "1/sampled/sample").glob("*.parquet")) == shards
    reused = json.loads((out / "learn.json").read_text("utf-8"))["reused_steps"]
    assert reused.items() >= {"before": [name], "1/sample": [name]}.items()

    again = learn_with(edited)
    assert again[1] == f"1/sample, again: the code has changed since ({name}); --reuse-shards keeps old results"
    assert set((out / "1/sampled/sample").glob("*.parquet")) > shards
    assert again[3].endswith("its old folder is now pairs-old-1") and (out / "1/pairs-old-1/pairs.json").is_file()
    assert load_adapter(out / "1/policy").digest == load_adapter(out / "1/policy-old-1").digest, "only its hash changed"
    assert json.loads((out / "learn.json").read_text("utf-8"))["reused_steps"] == {}


def test_other_settings_are_refused(learnt: tuple[Path, dict[str, Any]], settings: LearnSettings) -> None:
    out, _ = learnt
    with pytest.raises(UserError, match=r"other settings: beta = 0\.5 \(was 0\.2\)"):
        learn(settings.model_copy(update={"beta": 0.5}), out, Listener().audience)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy_engine": "openai:large"}, "policy_engine: the model of the engine 'openai:large' cannot be trained"),
        ({"policy_engine": "random"}, "a random model must serve both as the policy and as the predictor"),
        ({"policy_adapter": "nowhere"}, "nowhere: there is no adapter"),
        ({"users": 0}, "users: Input should be greater than or equal to 1"),
        ({"margin": (0.5, 1.5)}, "margin 1.5 is not a quantile"),
        ({"weights": (0.0, 0.0, 0.0)}, "weights: weights must be at least 0"),
        ({"batch": 3, "micro_batch": 2}, "batch 3 is not a multiple of micro_batch 2"),
    ],
)
def test_what_would_stop_a_later_step_stops_before_the_first(
    settings: LearnSettings, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as error:
        learn(settings.model_copy(update=changes), tmp_path / "out", Listener().audience)
    assert words in str(error.value)
    assert not (tmp_path / "out").exists()
