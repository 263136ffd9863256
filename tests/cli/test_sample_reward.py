"""`deeper sample` and `deeper reward` from the data to the page."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import CommandLine, Result, rows, write_data
from rich.console import Console
from safetensors.numpy import save_file

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.splits import part, user_hash
from deeper.commands.execution import engines as made_engines
from deeper.commands.reward.reward import reward_directions
from deeper.commands.reward.settings import RewardSettings
from deeper.commands.sample import sample
from deeper.commands.sample.sample import sample_directions
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import Completion, Prompt, Sampling, ScoreRequest
from deeper.engine.adapter import write_card
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.learning.preferences import directions
from deeper.learning.preferences.reality_report import read_reward_report
from deeper.learning.preferences.recipe import REWARD_RECIPE
from deeper.persona import predict
from deeper.persona.prompts.templates import load_prompts

ENGINES = ("--policy-engine", "scripted", "--predictor-engine", "scripted")
SMALL = (*ENGINES, "--directions", "3", "--calibration", "off")
QUIET = Console(quiet=True)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Planted users, of whom some are train users of each part."""
    write_planted(plant_users(30, 4, seed=3), tmp_path / "planted")
    return tmp_path / "planted"


def table(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def results(folder: Path) -> dict[str, bytes]:
    """Every file but what holds wall times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "cost" not in str(path.relative_to(folder)) and path.name != ".lock"
    }


def test_directions_are_sampled_and_rewarded(deeper: CommandLine, planted: Path) -> None:
    sampled = deeper("sample", "--data", str(planted), "--out", "run", *SMALL)
    assert sampled.code == 0, sampled.err
    assert "deeper reward run" in sampled.out
    contexts, directions = table(Path("run/contexts.parquet")), table(Path("run/directions.parquet"))
    assert len(contexts) > 4 and {row["part"] for row in contexts} == {"b", "validation"}
    assert all(row["part"] == part("planted", row["user"]) for row in contexts)
    assert len(directions) == 3 * len(contexts)
    assert f"{len(directions)} directions for {len(contexts)} contexts" in sampled.out

    rewarded = deeper("reward", "run")
    assert rewarded.code == 0, rewarded.err
    assert "reliability" in rewarded.out and "cannot be trusted" in " ".join(rewarded.out.split())
    rewards = table(Path("run/rewards.parquet"))
    assert [row["direction_id"] for row in rewards] == [row["id"] for row in directions]
    assert all(row["r"] == pytest.approx(row["r_prev"] + row["r_curr"] + row["r_fut"]) for row in rewards)
    report = json.loads(Path("run/reward.json").read_text("utf-8"))
    assert report["trustworthy"] is False and report["old_persona_again"]["largest"] == 0
    manifest = json.loads(Path("run/manifest.json").read_text("utf-8"))
    assert manifest["recipes"].keys() == {"behaviour", "persona", "sample"}
    assert report["recipes"].keys() == {"reward", "persona", "measure"}
    assert list(report["reality"]) == ["mae", "crps", "crps_net", "rank"]
    for reality in report["reality"].values():
        assert reality["overall"] == reality["by_domain"]["planted"], "there is one domain"
        assert "true" in reality["overall"], "the truth of planted users is known"
    read = read_reward_report(report, "run/reward.json")
    assert read.recipes.reward == REWARD_RECIPE
    assert read.overall.domain == "planted" and not read.trustworthy
    assert report["counts"]["unrewarded"] == 0 and report["counts"]["distinct"] == len(directions)


def test_another_reward_calls_no_model_again(deeper: CommandLine, planted: Path) -> None:
    deeper("sample", "--data", str(planted), "--out", "run", *SMALL)
    first = deeper("reward", "run")
    before = table(Path("run/rewards.parquet"))
    again = deeper("reward", "run", "--reward", "crps", "--weights", "0,0,1")
    assert first.code == again.code == 0
    for line in re.findall(r"reward-(?:old|candidates): \d+ rows .*", again.err):
        [(count, reused)] = re.findall(r"(\d+) rows .* (\d+) of them from an earlier run", line)
        assert count == reused
    rewards = table(Path("run/rewards.parquet"))
    assert {row["measure"] for row in rewards} == {"crps"}
    assert all(row["r"] == row["r_fut"] for row in rewards)
    assert rewards != before
    deeper("reward", "run")
    assert table(Path("run/rewards.parquet")) == before


def test_the_page_stands_alone_and_escapes_what_it_shows(deeper: CommandLine, planted: Path) -> None:
    deeper("sample", "--data", str(planted), "--out", "run", *SMALL)
    path = Path("run/directions.parquet")
    directions = pq.read_table(path)
    texts = [f"<script>alert({i})</script> & more" for i in range(directions.num_rows)]
    place = directions.schema.get_field_index("text")
    pq.write_table(directions.set_column(place, directions.schema.field(place), [texts]), path)
    assert deeper("reward", "run").code == 0
    page = Path("run/reward.html").read_text("utf-8")
    assert "&lt;script&gt;alert(" in page and "&amp; more" in page
    assert "<script>alert(" not in page and "default-src 'none'" in page
    assert page.count("<table") == page.count("</table>") == 5, "four measures and the origin"
    assert 'data-kind="intervals"' in page


class Interrupted(ScriptedEngine):
    """Is interrupted at a call."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        self._count()
        return super().generate(prompts, sampling)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Any]:
        self._count()
        return super().score(requests)


def use(monkeypatch: pytest.MonkeyPatch, *engines: ScriptedEngine) -> None:
    """Scripted engines in the place of those that the settings name."""
    left = list(engines)
    monkeypatch.setattr(sample, "make_engines", lambda roles, *_: {"policy": engines[0]})
    monkeypatch.setattr(made_engines, "make_engines", lambda roles, *_: {"predictor": left.pop(0)})


def test_an_interrupted_run_ends_as_an_undisturbed_one(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directions, "SAMPLE_RECIPE", replace(directions.SAMPLE_RECIPE, rows=2))
    monkeypatch.setattr(predict, "RECIPE", replace(predict.RECIPE, predict_rows=3))
    settings = SampleSettings(data=str(planted), directions=2, users=4, calibration="off")

    def run(folder: Path, calls: int) -> int:
        """Start anew after each interruption; returns how many there were."""
        stops = 0
        for job in (
            lambda: sample_directions(settings, folder, QUIET),
            lambda: reward_directions(RewardSettings(), folder, QUIET),
        ):
            while True:
                use(monkeypatch, Interrupted(calls))
                try:
                    job()
                    break
                except KeyboardInterrupt:
                    stops += 1
        return stops

    assert run(tmp_path / "whole", 1000) == 0
    assert run(tmp_path / "cut", 2) >= 4
    whole, cut = results(tmp_path / "whole"), results(tmp_path / "cut")
    assert cut.keys() == whole.keys()
    assert [name for name in whole if whole[name] != cut[name]] == []


def adapter(folder: Path, users: Sequence[str]) -> str:
    """A predictor's adapter that was trained on some users."""
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}", "utf-8")
    save_file({"a": np.zeros(1, np.float32)}, folder / "adapter_model.safetensors")
    hashes = [user_hash("planted", user) for user in users]
    templates = load_prompts().hashes_for("predictor")
    write_card(folder, kind="predictor", base="b" * 12, templates=templates, users=hashes, provenance={})
    return str(folder)


def test_no_user_is_read_by_a_predictor_that_was_trained_on_it(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SampleSettings(data=str(planted), directions=2, calibration="off")
    use(monkeypatch, ScriptedEngine())
    sample_directions(settings, tmp_path / "run", QUIET)
    contexts = table(tmp_path / "run/contexts.parquet")
    users = [row["user"] for row in contexts]
    one = adapter(tmp_path / "one", users[:3])
    two = adapter(tmp_path / "two", users[3:])
    engines = (ScriptedEngine(), ScriptedEngine(scorer=lambda _, __, labels: [-1.0] * len(labels)))
    use(monkeypatch, *engines)
    rewards = RewardSettings(predictor_adapter=(one, two))
    report = reward_directions(rewards, tmp_path / "run", QUIET)
    assert report["users_of_predictors"] == [len(users) - 3, 3]
    for engine, own in zip(engines, (contexts[3:], contexts[:3]), strict=True):
        asked = {request.prompt.user for request in engine.asked if isinstance(request, ScoreRequest)}
        assert all(any(row["persona"] in prompt for prompt in asked) for row in own)
        assert len(asked) == 3 * len(own), "the old persona and two directions of each of its users, and no other"

    alone = RewardSettings(predictor_adapter=(one,))
    use(monkeypatch, ScriptedEngine())
    with pytest.raises(UserError, match="every predictor was trained on 3 of these users"):
        reward_directions(alone, tmp_path / "run", QUIET)


def test_who_rewards_decides_whether_it_is_calibrated(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = adapter(tmp_path / "reader", [])
    runs = {"untrained": SampleSettings(data=str(planted), directions=2)}
    runs["trained"] = runs["untrained"].model_copy(update={"predictor_adapter": (trained,)})
    for name, settings in runs.items():
        use(monkeypatch, ScriptedEngine())
        sample_directions(settings, tmp_path / name, QUIET)
        for rewards, kind in (
            (RewardSettings(predictor_adapter=(trained,)), "off"),
            (RewardSettings(predictor_engine="embedded"), "domain"),
        ):
            use(monkeypatch, ScriptedEngine())
            reward_directions(rewards, tmp_path / name, QUIET)
            read = table(tmp_path / name / "reward-predictions.parquet")
            assert {row["calibrated"] for row in read} == {kind}


def assert_refused(result: Result, *parts: str) -> None:
    assert result.code == 2 and result.out == "" and "Traceback" not in result.err, result
    assert all(part in result.err for part in parts), result.err
    assert "  → " in result.err


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--parts", "c"], ["parts", "choose from a, b, validation", "deeper sample --help"]),
        (["--directions", "0"], ["directions", "greater than or equal to 1"]),
        (["--temperature", "0"], ["temperature", "greater than 0"]),
        (["--policy-engine", "steam"], ["no engine 'steam'"]),
        (["--predictor-adapter", "nowhere"], ["nowhere", "no adapter"]),
        (["--data", "nowhere"], ["no such folder"]),
    ],
)
def test_bad_settings_of_sample(deeper: CommandLine, planted: Path, flags: list[str], parts: list[str]) -> None:
    assert_refused(deeper("sample", "--data", str(planted), "--out", "run", *ENGINES, *flags), *parts)
    assert not Path("run").exists()


def test_data_without_a_context_is_refused(deeper: CommandLine, tmp_path: Path) -> None:
    short = write_data(tmp_path / "short", rows(users=12, count=20))
    assert_refused(deeper("sample", "--data", str(short), *ENGINES), "no train user", "three windows")


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--weights", "1,1"], ["weights"]),
        (["--weights", "0,0,0"], ["weights", "above 0"]),
        (["--predictor-engine", "steam"], ["no engine 'steam'"]),
        (["--predictor-adapter", "nowhere"], ["nowhere", "no adapter"]),
    ],
)
def test_bad_settings_of_reward(deeper: CommandLine, planted: Path, flags: list[str], parts: list[str]) -> None:
    deeper("sample", "--data", str(planted), "--users", "2", "--out", "run", *SMALL)
    assert_refused(deeper("reward", "run", *flags), *parts)
    assert not Path("run/rewards.parquet").exists()


def test_only_a_finished_run_is_rewarded(deeper: CommandLine, data: Path) -> None:
    assert_refused(deeper("reward", "nowhere"), "nowhere", "no finished run")
    assert deeper("evaluate", "--data", str(data), "--rounds", "0", "--out", "other", *ENGINES).code == 0
    assert_refused(deeper("reward", "other"), "other", "no finished run")
