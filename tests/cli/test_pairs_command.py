"""`deeper sample --refinements` and `deeper pairs`, from the data to the files."""

import json
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import CommandLine, Result
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.splits import part
from deeper.commands.pairs.pairs import make_pairs
from deeper.commands.pairs.report import PairsReport
from deeper.commands.pairs.settings import PairSettings
from deeper.commands.reward.reward import reward_directions
from deeper.commands.reward.settings import RewardSettings
from deeper.commands.sample import sample
from deeper.commands.sample.sample import sample_directions
from deeper.commands.sample.settings import SampleSettings
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure
from deeper.errors import UserError
from deeper.learning.preferences.recipe import PAIR_RECIPE, REWARD_RECIPE
from deeper.learning.preferences.schema import CONTEXT, PAIR
from deeper.persona import predictors
from deeper.storage.provenance import dump_recipes

QUIET = Console(quiet=True)
ALL = ("--tau-plus", "-9", "--tau-minus", "9", "--margin", "0")
"""Thresholds that every two directions meet."""


def rewarded(folder: Path, data: Path, **changes: Any) -> Path:
    """A finished run with rewards of the scripted engine, and a reward.json that trusts them."""
    settings = SampleSettings(
        **{
            "data": str(data), "policy_engine": "scripted", "predictor_engine": "scripted", "directions": 3,
            "calibration": "off", "users": 10, "refinements": 2, **changes,
        }
    )  # fmt: skip
    sample_directions(settings, folder, QUIET)
    reward_directions(RewardSettings(), folder, QUIET)
    change_json(folder / "reward.json", trustworthy=True)
    return folder


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def table(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def change_column(path: Path, name: str, change: Callable[[Any], Any]) -> None:
    whole = pq.read_table(path)
    place = whole.schema.get_field_index(name)
    field = whole.schema.field(place)
    values = [change(value) for value in whole[name].to_pylist()]
    pq.write_table(whole.set_column(place, field, pa.array(values, field.type)), path)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Planted users of four windows, some in each part of the train users."""
    folder = tmp_path_factory.mktemp("data") / "planted"
    write_planted(plant_users(24, 4, seed=3), folder)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, planted: Path) -> Path:
    return rewarded(tmp_path_factory.mktemp("finished") / "run", planted)


@pytest.fixture
def run(tmp_path: Path, finished: Path) -> Path:
    """A rewarded run of two refinements that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def assert_refused(result: Result, *parts: str) -> None:
    assert result.code == 2 and result.out == "" and "Traceback" not in result.err, result
    assert all(part in result.err for part in parts), result.err
    assert "  → " in result.err
    assert not Path("pairs").exists()


def test_contexts_of_the_second_refinement_come_from_the_policys_greedy_refinement(finished: Path) -> None:
    contexts = table(finished / "contexts.parquet")
    first, second = ([row for row in contexts if row["k"] == k] for k in (1, 2))
    assert len(first) == len(second) > 4 and len(contexts) == 2 * len(first)
    personas = {row["id"]: row for row in table(finished / "personas.parquet")}
    old = {row["user"]: row for row in first}
    for row in second:
        before, parent = old[row["user"]], personas[row["parent"]]
        assert (parent["method"], parent["k"], parent["parent"]) == ("refine", 1, before["parent"])
        assert parent["text"] == row["persona"]
        assert row["windows"] == [*before["windows"], *before["future"]]
        assert row["predicted"] and len(row["predicted"]) == 10
    manifest = json.loads((finished / "manifest.json").read_text("utf-8"))
    assert manifest["counts"]["contexts_of_refinement"] == {"1": len(first), "2": len(first)}
    assert (manifest["counts"]["users"], manifest["counts"]["contexts"]) == (len(first), 2 * len(first))
    predictions = {(row["persona_id"], row["k"]): row["points"] for row in table(finished / "predictions.parquet")}
    assert all(row["predicted"] == predictions[row["parent"], 2] for row in second)


def test_one_refinement_is_what_it_was(finished: Path, planted: Path, tmp_path: Path) -> None:
    once = rewarded(tmp_path / "once", planted, refinements=1)
    both = pq.read_table(finished / "contexts.parquet")
    assert pq.read_table(once / "contexts.parquet").equals(both.slice(0, both.num_rows // 2))
    names = {row["k"] for row in table(once / "directions.parquet")}
    assert names == {1} and {row["k"] for row in table(finished / "directions.parquet")} == {1, 2}


def test_every_refinement_is_rewarded_and_calibration_is_of_the_first(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The maps are fitted on W_1 from S_0 alone: they are those of a run of one refinement."""
    maps: list[Any] = []
    fit = predictors.fit_calibration
    monkeypatch.setattr(predictors, "fit_calibration", lambda *given: maps.append(fit(*given)) or maps[-1])
    for refinements in (1, 2):
        run = rewarded(tmp_path / str(refinements), planted, refinements=refinements, calibration="on")
    assert len(maps) == 4 and all(one == maps[0] for one in maps)
    rewards, directions = table(run / "rewards.parquet"), table(run / "directions.parquet")
    assert [row["direction_id"] for row in rewards] == [row["id"] for row in directions]
    assert all(row["r"] is not None for row in rewards)
    second = {row["id"] for row in directions if row["k"] == 2}
    read = {row["k"] for row in table(run / "reward-predictions.parquet") if row["persona_id"] in second}
    assert read == {1, 2, 3}, "previous, current and future window of the second refinement"


def test_too_few_windows_give_fewer_contexts(planted: Path, tmp_path: Path) -> None:
    run = rewarded(tmp_path / "run", planted, refinements=4)
    contexts = table(run / "contexts.parquet")
    assert {row["k"] for row in contexts} == {1, 2}, "W_3 is the last that can be a future window"
    refined = [row for row in table(run / "personas.parquet") if row["method"] == "refine"]
    assert {row["k"] for row in refined} == {1}, "no persona is written that no window judges"


def test_a_refinement_that_failed_ends_its_user(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refinements: list[str] = []

    def reply(prompt: Any, number: int) -> str:
        if "predicted from the description" in prompt.user:
            refinements.append(prompt.user)
            if prompt.user == refinements[0]:
                raise ScriptedFailure("the server is gone")
        return f"Likes calm {'very ' * (number + len(prompt.user) % 7)}much."

    engine = ScriptedEngine(reply=reply)
    monkeypatch.setattr(sample, "make_engines", lambda *_: {"policy": engine})
    settings = SampleSettings(
        data=str(planted), predictor_engine="scripted", users=3, refinements=2, directions=1, calibration="off"
    )
    counts = sample_directions(settings, tmp_path / "run", QUIET)["counts"]
    assert (counts["users"], counts["personas_failed"], counts["contexts_of_refinement"]) == (3, 1, {"1": 3, "2": 2})
    greedy = [call for call in engine.asked if isinstance(call, GenerateCall) and call.sampling.temperature == 0]
    assert len(greedy) == 6, "three initialised, three refined"


def test_pairs_are_made_and_parted_by_user(deeper: CommandLine, run: Path) -> None:
    made = deeper("pairs", str(run), "--out", "pairs", *ALL)
    assert made.code == 0, made.err
    report = json.loads(Path("pairs/pairs.json").read_text("utf-8"))
    assert report["recipes"] == dump_recipes(reward=REWARD_RECIPE, pairs=PAIR_RECIPE, behaviour=RECIPE)
    assert PairsReport.model_validate(report).as_json() == report
    rewards = {row["direction_id"]: row["r"] for row in table(run / "rewards.parquet")}
    texts = {row["id"]: row["text"] for row in table(run / "directions.parquet")}
    for name, held in (("train", False), ("validation", True)):
        assert pq.read_table(f"pairs/{name}.parquet").schema == PAIR
        rows = table(Path(f"pairs/{name}.parquet"))
        assert rows and all((part(row["domain"], row["user"]) == "validation") is held for row in rows)
        assert {row["k"] for row in rows} == {1, 2}
        for row in rows:
            assert [rewards[row["chosen_id"]], rewards[row["rejected_id"]]] == [row["r_chosen"], row["r_rejected"]]
            assert [texts[row["chosen_id"]], texts[row["rejected_id"]]] == [row["chosen"], row["rejected"]]
        assert report["counts"][name]["pairs"] == len(rows)
        lines = [json.loads(line) for line in Path(f"pairs/{name}.jsonl").read_text("utf-8").splitlines()]
        assert lines == [
            {"prompt": row["prompt"], "chosen": [{"role": "assistant", "content": row["chosen"]}],
             "rejected": [{"role": "assistant", "content": row["rejected"]}]}
            for row in rows
        ]  # fmt: skip
        assert [message["role"] for message in lines[0]["prompt"]] == ["system", "user"]
    assert f"{report['counts']['train']['pairs']} pairs of" in made.out and "deeper train dpo --pairs pairs" in made.out
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    assert report["templates"] == manifest["templates"]
    assert report["max_persona_tokens"] == 120
    contexts: dict[tuple[str, int], list[float]] = {}
    for row in table(run / "rewards.parquet"):
        contexts.setdefault((row["user"], row["k"]), []).append(row["r"])
    least = min(abs(a - b) for own in contexts.values() for a, b in combinations(own, 2))
    assert report["rule"]["margins"] == {"planted": pytest.approx(least)}
    assert report["runs"][0]["reliability"]["value"] is not None
    assert report["counts"]["contexts"] == report["counts"]["contexts_paired"]


def test_prompts_are_those_that_the_policy_was_asked(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine()
    monkeypatch.setattr(sample, "make_engines", lambda *_: {"policy": engine})
    run = rewarded(tmp_path / "run", planted, max_persona_tokens=48)
    make_pairs(PairSettings(tau_plus=-9, tau_minus=9, margin=0), [run], tmp_path / "pairs")
    calls = [call for call in engine.asked if isinstance(call, GenerateCall) and call.sampling.n == 3]
    asked = {(call.prompt.system, call.prompt.user) for call in calls}
    rows = [*table(tmp_path / "pairs/train.parquet"), *table(tmp_path / "pairs/validation.parquet")]
    # A context whose directions are all worth the same has no pair, and every other one has.
    worth: dict[tuple[str, int], set[float]] = {}
    for row in table(run / "rewards.parquet"):
        worth.setdefault((row["user"], row["k"]), set()).add(round(row["r"], 9))
    assert {(row["user"], row["k"]) for row in rows} == {key for key, found in worth.items() if len(found) > 1}
    prompts = {tuple(message["content"] for message in row["prompt"]) for row in rows}
    assert prompts <= asked
    assert len(asked) - len(prompts) == sum(len(found) == 1 for found in worth.values())


def test_the_same_again_is_left_as_it_is_and_anything_else_is_refused(
    deeper: CommandLine, run: Path, tmp_path: Path
) -> None:
    words = ("pairs", str(run), "--out", "made", *ALL)
    first = deeper(*words)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("made").iterdir()}
    again = deeper(*words)
    assert first.code == again.code == 0 and again.out == first.out
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("made").iterdir()} == before
    other = Path(shutil.copytree(run, tmp_path / "other"))
    assert deeper("pairs", str(other), "--out", "again", *ALL).code == 0
    for name in ("train.parquet", "validation.jsonl"):
        assert Path("again", name).read_bytes() == Path("made", name).read_bytes()
    assert_refused(deeper(*words, "--max-pairs", "1"), "made", "max_pairs = 1 (was 4)")
    change_column(run / "rewards.parquet", "r", lambda r: -r)
    assert_refused(deeper(*words), "made", "other rewards")


def test_runs_are_pooled(deeper: CommandLine, run: Path, planted: Path, tmp_path: Path) -> None:
    more = rewarded(tmp_path / "more", planted, refinements=1, seed=2)
    shared = Path(shutil.copytree(run, tmp_path / "shared"))
    assert deeper("pairs", str(run), str(more), str(shared), "--out", "made", *ALL, "--max-pairs", "1000").code == 0
    report = json.loads(Path("made/pairs.json").read_text("utf-8"))
    contexts = [pq.read_table(folder / "contexts.parquet").num_rows for folder in (run, more)]
    assert report["counts"]["contexts"] == sum(contexts), "the contexts of a run that is there twice count once"
    assert [one["run"] for one in report["runs"]] == ["run", "more", "shared"]
    directions = [pq.read_table(folder / "directions.parquet").num_rows for folder in (run, more)]
    counts = report["counts"]
    assert counts["directions"] + counts["duplicate"] == sum(directions) + directions[0]
    assert counts["duplicate"] >= directions[0]


def test_the_second_iteration_is_harder_and_wider(run: Path, tmp_path: Path) -> None:
    first = make_pairs(PairSettings(), [run], tmp_path / "first")
    second = make_pairs(PairSettings(iteration=2), [run], tmp_path / "second")
    assert second["rule"]["margins"]["planted"] > first["rule"]["margins"]["planted"] > 0
    assert (first["config"]["prefer"], second["config"]["prefer"]) == ("margin", "hard")
    assert second["config"]["max_pairs"] > first["config"]["max_pairs"]


def test_flags_win_over_the_iterations_defaults(deeper: CommandLine, run: Path) -> None:
    words = ("--iteration", "2", "--margin", "0.1", "--out", "made")
    assert deeper("pairs", str(run), *words).code == 0
    config = json.loads(Path("made/pairs.json").read_text("utf-8"))["config"]
    assert (config["iteration"], config["margin"], config["max_pairs"], config["prefer"]) == (2, 0.1, 6, "hard")


def test_a_reward_that_is_luck_is_learnt_from_by_force_only(deeper: CommandLine, run: Path) -> None:
    change_json(run / "reward.json", trustworthy=False)
    refused = deeper("pairs", str(run), "--out", "pairs", *ALL)
    assert_refused(refused, "the reward cannot be trusted", "reliability is", "--force")
    assert deeper("pairs", str(run), "--out", "made", "--force", *ALL).code == 0
    report = json.loads(Path("made/pairs.json").read_text("utf-8"))
    assert report["config"]["force"] is True and report["runs"][0]["trustworthy"] is False


def test_only_validation_users_are_nothing_to_learn_from(deeper: CommandLine, planted: Path, tmp_path: Path) -> None:
    run = rewarded(tmp_path / "run", planted, parts=("validation",))
    assert_refused(deeper("pairs", str(run), "--out", "pairs", *ALL), "validation users", "--parts")


def test_without_validation_users_it_is_said(deeper: CommandLine, planted: Path, tmp_path: Path) -> None:
    run = rewarded(tmp_path / "run", planted, parts=("b",))
    made = deeper("pairs", str(run), "--out", "made", *ALL)
    assert made.code == 0 and "There are no validation pairs" in made.out
    assert Path("made/validation.jsonl").read_bytes() == b""
    assert pq.read_table("made/validation.parquet").schema == PAIR


def test_thresholds_that_leave_nothing_tell_the_rewards(deeper: CommandLine, run: Path) -> None:
    words = ("pairs", str(run), "--out", "pairs")
    assert_refused(deeper(*words, "--tau-plus", "9"), "no context has a direction to choose", "95%", "--tau-plus")
    assert_refused(deeper(*words, "--margin", "9", "--margin-kind", "absolute"), "no pair is left", "--margin")


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--margin", "1.5"], ["margin 1.5 is not a quantile"]),
        (["--margin", "-1"], ["margin", "greater than or equal to 0"]),
        (["--margin-kind", "absolute"], ["give a margin in the reward's unit"]),
        (["--max-pairs", "0"], ["max_pairs", "greater than or equal to 1"]),
        (["--tau-plus", "nan"], ["tau_plus", "finite"]),
    ],
)
def test_bad_settings(deeper: CommandLine, run: Path, flags: list[str], parts: list[str]) -> None:
    assert_refused(deeper("pairs", str(run), "--out", "pairs", *flags), *parts, "deeper pairs --help")


def test_an_iteration_that_is_not_there(deeper: CommandLine, run: Path) -> None:
    refused = deeper("pairs", str(run), "--out", "pairs", "--iteration", "3")
    assert refused.code == 2 and "--iteration" in refused.err


def test_runs_that_do_not_fit_together(deeper: CommandLine, run: Path, planted: Path, tmp_path: Path) -> None:
    short = rewarded(tmp_path / "short", planted, users=3, max_persona_tokens=48)
    words = ("--out", "pairs", *ALL)
    assert_refused(deeper("pairs", str(run), str(short), *words), "different max_persona_tokens", "120", "48")
    other = Path(shutil.copytree(run, tmp_path / "other"))
    change_json(other / "manifest.json", templates={"refine": "00000000"})
    assert_refused(deeper("pairs", str(run), str(other), *words), "different prompts", "refine 00000000")
    assert_refused(deeper("pairs", str(other), *words), "another text of the prompt refine", "sample again")
    shutil.copy(run / "manifest.json", other / "manifest.json")
    assert reward_directions(RewardSettings(reward="crps"), other, QUIET)
    assert_refused(deeper("pairs", str(run), str(other), *words), "different rewards", "crps")
    assert_refused(deeper("pairs", str(run), str(run), *words), "named twice")


def test_runs_that_are_not_ready(deeper: CommandLine, run: Path, data: Path) -> None:
    assert_refused(deeper("pairs", "nowhere", "--out", "pairs"), "nowhere", "no finished run", "deeper sample")
    (run / "rewards.parquet").unlink()
    assert_refused(deeper("pairs", str(run), "--out", "pairs"), "no rewards", "deeper reward")
    (run / "rewards.parquet").write_bytes(b"PAR1 not really")
    assert_refused(deeper("pairs", str(run), "--out", "pairs"), "rewards.parquet", "damaged")


def test_another_folder_is_not_overwritten(deeper: CommandLine, run: Path, data: Path) -> None:
    before = {path.name for path in data.iterdir()}
    refused = deeper("pairs", str(run), "--out", str(data), *ALL)
    assert refused.code == 2 and "holds no run" in refused.err
    assert {path.name for path in data.iterdir()} == before


def test_make_pairs_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run is given"):
        make_pairs(PairSettings(), [], tmp_path / "pairs")


def test_contexts_keep_their_schema(finished: Path) -> None:
    assert pq.read_table(finished / "contexts.parquet").schema == CONTEXT


PUBLISHED = [
    {"system": "Be brief.", "instruction": f"Refine cove {i}.", "chosen": f"Good {i}.", "rejected": f"Bad {i}."}
    for i in range(30)
]


def test_published_pairs_are_taken_as_they_are(deeper: CommandLine, tmp_path: Path) -> None:
    same = {"instruction": "Refine.", "chosen": "Same.", "rejected": "Same."}
    sharegpt = {
        "conversations": [{"from": "human", "value": "Refine cove 0."}],
        "system": "Be brief.",
        "chosen": {"from": "gpt", "value": "Better."},
        "rejected": {"from": "gpt", "value": "Worse."},
    }
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(json.dumps([*PUBLISHED, same]), "utf-8")
    second.write_text(json.dumps([sharegpt]), "utf-8")
    made = deeper("pairs", str(first), str(second), "--out", "made")
    assert made.code == 0, made.err
    assert "1 pairs with the same text on both sides" in made.out
    train, held = (table(Path(f"made/{name}.parquet")) for name in ("train", "validation"))
    assert len(train) + len(held) == 31 and len(held) > 0
    assert not {row["user"] for row in train} & {row["user"] for row in held}
    texts = {
        (*(message["content"] for message in row["prompt"]), row["chosen"], row["rejected"]) for row in train + held
    }
    expected = {(row["system"], row["instruction"], row["chosen"], row["rejected"]) for row in PUBLISHED}
    assert texts == expected | {("Be brief.", "Refine cove 0.", "Better.", "Worse.")}
    zero = [row for row in train + held if row["prompt"][1]["content"] == "Refine cove 0."]
    assert len({row["user"] for row in zero}) == 1, "pairs of one prompt stay together"
    assert {row["r_chosen"] for row in train} == {None}
    report = json.loads(Path("made/pairs.json").read_text("utf-8"))
    assert (report["templates"], report["counts"]["train"]["mean_margin"]) == ({}, None)
    again = deeper("pairs", str(first), "--out", "made")
    assert again.code == 2 and "the folder already holds pairs" in again.err


def test_published_pairs_and_runs_are_not_mixed(deeper: CommandLine, run: Path, tmp_path: Path) -> None:
    file = tmp_path / "published.json"
    file.write_text(json.dumps(PUBLISHED), "utf-8")
    assert_refused(deeper("pairs", str(run), str(file), "--out", "pairs"), "cannot be mixed")
    file.write_text("[{}]", "utf-8")
    assert_refused(deeper("pairs", str(file), "--out", "pairs"), "published.json", "neither 'instruction'")
