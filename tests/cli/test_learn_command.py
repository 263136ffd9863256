"""`deeper learn` on the command line: flags, presets, bad input, and all of it with a random model."""

import json
from pathlib import Path

import click
import pytest
from command_line import CommandLine, rows, write_data

from deeper.cli.learn import command
from deeper.commands.learn.settings import PRESETS, LearnSettings, to_pair, to_train
from deeper.commands.pairs.settings import PairSettings
from deeper.engine.adapter import load_adapter


def test_flags_are_the_settings() -> None:
    options = {option.name: option.opts for option in command.params if isinstance(option, click.Option)}
    assert options.keys() == LearnSettings.model_fields.keys() | {"config", "out", "preset", "force", "reuse_shards"}
    for name in LearnSettings.model_fields:
        assert options[name] == [f"--{name.replace('_', '-')}"]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_settings_of_every_step(preset: str) -> None:
    settings = LearnSettings(**PRESETS[preset])
    for iteration in (1, 2):
        assert to_pair(settings, iteration, force=False).iteration == iteration
        assert to_train(settings, iteration, Path("pairs"), "adapter", {}).batch == settings.batch


def test_by_default_pairs_are_those_of_deeper_pairs() -> None:
    for iteration in (1, 2):
        assert to_pair(LearnSettings(), iteration, force=False) == PairSettings(iteration=iteration)


@pytest.mark.parametrize(
    ("iteration", "adapter", "reference", "expected"),
    [(1, "", "base", "base"), (1, "a", "base", "previous"), (2, "a", "base", "base"), (2, "a", "previous", "previous")],
)
def test_iteration_1_is_kept_near_to_where_it_begins(
    iteration: int, adapter: str, reference: str, expected: str
) -> None:
    settings = LearnSettings(reference=reference)
    assert to_train(settings, iteration, Path("pairs"), adapter, {}).reference == expected


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--data", "nowhere"), ("there is no such folder: nowhere",)),
        (("--policy-engine", "scripted"), ("'scripted' cannot be trained here", "policy_engine")),
        (("--max-pairs", "3"), ("max_pairs", "deeper learn --help")),
        (("--directions", "0"), ("directions", "deeper sample --help")),
        (("--predictor-adapter", "nowhere"), ("nowhere", "no adapter")),
        (("--out", "{full}"), ("not empty and holds no run", "--out")),
    ],
)
def test_bad_input_is_told_in_one_message(
    deeper: CommandLine, tmp_path: Path, flags: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine", "utf-8")
    data = write_data(tmp_path / "data", rows(users=20))
    given = [flag.format(full=tmp_path / "full") for flag in flags]
    result = deeper("learn", "--data", str(data), "--out", "out", *given)
    assert result.code == 2, result
    assert result.out == "" and "Traceback" not in result.err
    assert result.err.count("deeper: ") == 1 and "\n  → " in result.err
    for part in parts:
        assert part in result.err


@pytest.mark.reference
def test_the_smoke_preset_learns_twice_from_real_engines(deeper: CommandLine) -> None:
    stopped = deeper("learn", "--preset", "smoke", "--out", "out")
    assert stopped.code == 2 and "--force" in stopped.err
    assert "3 of 11 steps are done" in Path("out/report.html").read_text("utf-8"), "what is known is shown"

    done = deeper("learn", "--preset", "smoke", "--force", "--out", "out")
    assert done.code == 0, done.err
    assert "Step 3 of 11: 1/reward, done before" in done.err
    assert "refine, difference" in done.out and "learns by force" in done.out
    report = json.loads(Path("out/learn.json").read_text("utf-8"))
    assert len(report["steps"]) == report["steps_total"] == 11
    assert {load_adapter(Path(f"out/{i}/policy")).kind for i in (1, 2)} == {"policy"}
    page = Path("out/report.html").read_text("utf-8")
    assert page.count('data-kind="lines"') == 16 and "default-src 'none'" in page
    for i in (1, 2):
        assert "reliability" in Path(f"out/{i}/sampled/reward.html").read_text("utf-8")
