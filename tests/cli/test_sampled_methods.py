"""Directions and pairs of several updaters: the same contexts, equally many, and counts of each."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import CommandLine
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.splits import part
from deeper.commands.learn.learn import step_code
from deeper.commands.learn.settings import LearnSettings, to_evaluate, to_sample
from deeper.commands.learn.validation import METHODS as VALIDATED
from deeper.commands.pairs.pairs import make_pairs
from deeper.commands.pairs.settings import PairSettings
from deeper.commands.reward.reward import reward_directions
from deeper.commands.reward.settings import RewardSettings
from deeper.commands.sample.sample import sample_directions
from deeper.commands.sample.settings import SampleSettings
from deeper.engine.scripted.engine import ScriptedFailure
from deeper.errors import UserError
from deeper.persona.updaters import MODULES, UPDATERS
from deeper.storage.code_hash import code_modules
from deeper.storage.settings import resolve

QUIET = Console(quiet=True)
ALL = ",".join(UPDATERS)
ANYTHING = PairSettings(tau_plus=-9, tau_minus=9, margin=0, force=True)


def table(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "planted"
    write_planted(plant_users(16, 5, seed=3), folder)
    return folder


@pytest.fixture(scope="module")
def run(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directions of all updaters, rewarded."""
    folder = tmp_path_factory.mktemp("sampled") / "run"
    settings = SampleSettings(
        data=str(planted), policy_engine="scripted", predictor_engine="scripted", directions=2, calibration="off",
        refinements=2, methods=tuple(UPDATERS), future_windows=2, users=6,
    )  # fmt: skip
    sample_directions(settings, folder, QUIET)
    reward_directions(RewardSettings(), folder, QUIET)
    return folder


def test_every_updater_has_the_same_contexts_and_as_many_directions(run: Path) -> None:
    contexts, directions = table(run / "contexts.parquet"), table(run / "directions.parquet")
    of_method = {
        method: [(row["user"], row["k"], row["parent"]) for row in contexts if row["method"] == method]
        for method in UPDATERS
    }
    assert of_method["refine"] and all(own == of_method["refine"] for own in of_method.values())
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))["counts"]
    each = len(of_method["refine"])
    assert list(manifest["methods"]) == list(UPDATERS)
    for counts in manifest["methods"].values():
        assert (counts["contexts"], counts["directions"]) == (each, 2 * each)
    assert (manifest["contexts"], manifest["directions"]) == (5 * each, len(directions))
    assert {len(row["future"]) for row in contexts if row["k"] == 1} == {2}
    assert {len(row["future"]) for row in contexts if row["k"] == 2} == {2}
    personas = {row["id"]: row["method"] for row in table(run / "personas.parquet")}
    assert {personas[row["parent"]] for row in contexts if row["k"] == 2} == {"refine"}, "the first one writes S_1"


def test_a_merge_is_asked_with_a_persona_of_the_current_window_alone(run: Path) -> None:
    contexts = table(run / "contexts.parquet")
    assert {bool(row["short_term"]) for row in contexts if row["method"] != "hierarchical_merge"} == {False}
    merged = [row for row in contexts if row["method"] == "hierarchical_merge"]
    assert all(row["short_term"] for row in merged)
    assert len({row["short_term"] for row in merged}) == len(merged), "one for each user and window"


def test_the_reward_reads_all_its_windows(run: Path) -> None:
    read = table(run / "reward-predictions.parquet")
    directions = {row["id"]: row["k"] for row in table(run / "directions.parquet")}
    first = {row["k"] for row in read if directions.get(row["persona_id"]) == 1}
    assert first == {0, 1, 2, 3}, "previous, current and two future windows"


def test_pairs_to_learn_from_are_equally_many_and_each_updater_is_counted(run: Path, tmp_path: Path) -> None:
    report = make_pairs(ANYTHING, [run], tmp_path / "pairs")
    train, held = (table(tmp_path / f"pairs/{name}.parquet") for name in ("train", "validation"))
    counts = report["counts"]["train"]["of_method"]
    assert set(counts) == set(UPDATERS) and len(set(counts.values())) == 1
    assert report["counts"]["surplus"] == sum(own["surplus"] for own in report["methods"].values())
    for method, own in report["methods"].items():
        learnt = sum(row["method"] == method for row in train)
        kept = learnt + sum(row["method"] == method for row in held)
        assert (learnt, own["pairs"] - own["surplus"]) == (counts[method], kept)
        assert own["directions"] + own["duplicate"] + own["failed"] + own["unrewarded"] == 2 * own["contexts"]
    assert all(part(row["domain"], row["user"]) != "validation" for row in train)
    contexts = {(row["parent"], row["method"]): row for row in table(run / "contexts.parquet")}
    texts = {row["id"]: (row["method"], row["text"]) for row in table(run / "directions.parquet")}
    for row in train:
        assert texts[row["chosen_id"]] == (row["method"], row["chosen"])
        assert texts[row["rejected_id"]] == (row["method"], row["rejected"])
        asked, context = row["prompt"][-1]["content"], contexts[row["parent"], row["method"]]
        titles = [[item["title"] in asked for item in window] for window in context["windows"]]
        shown = {
            "refine": [False] * (row["k"]) + [True],
            "incremental_update": [False] * (row["k"]) + [True],
            "hierarchical_merge": [False] * (row["k"] + 1),
            "full_regeneration": [True] * (row["k"] + 1),
            "slide_regeneration": [False] * (row["k"]) + [True],
        }[row["method"]]
        assert [all(window) for window in titles] == [any(window) for window in titles] == shown


def test_the_terminal_tells_the_counts_of_each_updater(deeper: CommandLine, planted: Path) -> None:
    words = ("--data", str(planted), "--users", "4", "--directions", "2", "--calibration", "off")
    engines = ("--policy-engine", "scripted", "--predictor-engine", "scripted")
    both = ("--methods", "slide_regeneration,refine")
    sampled = deeper("sample", *words, *engines, *both, "--out", "run")
    assert sampled.code == 0, sampled.err
    lines = [line for line in sampled.out.splitlines() if line.startswith(("refine: ", "slide_regeneration: "))]
    assert [line.partition(":")[0] for line in lines] == ["refine", "slide_regeneration"]
    assert all("2 contexts" in line or "contexts: 0 failed" in line for line in lines)
    assert deeper("reward", "run").code == 0
    made = deeper("pairs", "run", "--out", "pairs", "--tau-plus=-9", "--tau-minus=9", "--margin=0", "--force")
    assert made.code == 0, made.err
    report = json.loads(Path("pairs/pairs.json").read_text("utf-8"))["methods"]
    for method, own in report.items():
        assert f"{method}: {own['pairs'] - own['surplus']} pairs of {own['contexts']} contexts" in made.out


def test_an_updater_without_pairs_is_not_left_out_in_silence(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deeper.commands.sample import sample
    from deeper.engine.scripted.engine import ScriptedEngine

    def reply(prompt: Any, number: int) -> str:
        if "predicted" not in prompt.user and number:
            raise ScriptedFailure("no more")
        return f"Likes calm {'very ' * ((number + len(prompt.user)) % 7)}much."

    monkeypatch.setattr(sample, "make_engines", lambda *_: {"policy": ScriptedEngine(reply=reply)})
    settings = SampleSettings(
        data=str(planted), predictor_engine="scripted", directions=3, calibration="off", users=6,
        methods=("refine", "slide_regeneration"),
    )  # fmt: skip
    manifest = sample_directions(settings, tmp_path / "run", QUIET)
    [failed] = manifest["failed_calls"]
    assert (failed["what"], failed["method"]) == ("directions", "slide_regeneration")
    assert manifest["counts"]["methods"]["slide_regeneration"]["failed"] == failed["failed"]
    reward_directions(RewardSettings(), tmp_path / "run", QUIET)
    with pytest.raises(UserError, match="no pair to learn from of slide_regeneration, so all updaters") as error:
        make_pairs(ANYTHING, [tmp_path / "run"], tmp_path / "pairs")
    assert "--methods" in error.value.do and not (tmp_path / "pairs").exists()


def test_runs_of_other_updaters_or_windows_are_not_pooled(run: Path, planted: Path, tmp_path: Path) -> None:
    changes = {"methods": ("refine",), "future_windows": 2}
    for name, one in (("updaters", changes), ("future_windows", {"methods": tuple(UPDATERS), "future_windows": 1})):
        settings = SampleSettings(
            data=str(planted), policy_engine="scripted", predictor_engine="scripted", directions=2, calibration="off",
            refinements=2, users=2, **one,
        )  # fmt: skip
        sample_directions(settings, tmp_path / name, QUIET)
        reward_directions(RewardSettings(), tmp_path / name, QUIET)
        with pytest.raises(UserError, match=f"the runs have different {name}"):
            make_pairs(ANYTHING, [run, tmp_path / name], tmp_path / "pairs")


@pytest.mark.parametrize(
    ("given", "said"),
    [({"methods": ("refin",)}, "did you mean refine"), ({"methods": ()}, "no updater is given"),
     ({"future_windows": 0}, "future_windows")],
)  # fmt: skip
def test_bad_settings(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        resolve(SampleSettings, None, given)


def test_learning_samples_for_the_updaters_that_it_is_given() -> None:
    settings = LearnSettings(methods=("slide_regeneration", "refine"), future_windows=3)
    sample = to_sample(settings, 1, "")
    assert (sample.methods, sample.future_windows) == (("refine", "slide_regeneration"), 3)
    assert to_evaluate(settings, "").methods == VALIDATED
    assert LearnSettings().methods == ("refine",) and LearnSettings().future_windows == 1, "the paper's"
    for step in ("sample", "pairs"):
        asked = {
            name for name in MODULES if f"deeper.persona.updaters.{name}" in code_modules(*step_code(settings, step))
        }
        assert asked == {"refine", "slide_regeneration"}
