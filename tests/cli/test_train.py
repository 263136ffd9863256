"""`deeper train`: flags, and bad input that is told in one message. No training runs here."""

from pathlib import Path

import click
import pytest
from command_line import CommandLine, rows, write_data

from deeper.cli.train import coldstart, dpo, predictor
from deeper.commands.train.settings import DPO_PRESETS, PRESETS, ColdstartSettings, DpoSettings, PredictorSettings

ROOT = Path(__file__).resolve().parents[2]
KINDS = {
    "predictor": (predictor, PredictorSettings),
    "coldstart": (coldstart, ColdstartSettings),
    "dpo": (dpo, DpoSettings),
}


@pytest.mark.parametrize("kind", KINDS)
def test_flags_are_the_settings(kind: str) -> None:
    command, settings = KINDS[kind]
    options = {option.name: option.opts for option in command.params if isinstance(option, click.Option)}
    assert options.keys() == settings.model_fields.keys() | {"config", "out", "preset"}
    for name in settings.model_fields:
        assert options[name] == [f"--{name.replace('_', '-')}"]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["predictor", "coldstart"])
def test_presets_are_valid_settings(kind: str, preset: str) -> None:
    _, settings = KINDS[kind]
    made = settings(**PRESETS[preset])
    assert made.base == ("random" if preset == "smoke" else "")


def test_presets_of_dpo_are_valid_and_the_paper_s_are_the_published_ones() -> None:
    made = {name: DpoSettings(pairs="p", **values) for name, values in DPO_PRESETS.items()}
    assert (made["small"].base, made["smoke"].base) == ("", "random")
    paper = made["paper"]
    assert (paper.beta, paper.sft_weight, paper.rank, paper.alpha, paper.layers) == (0.2, 0.1, 16, 32, "all")
    assert (paper.learning_rate, paper.warmup_steps, paper.epochs) == (5e-6, 250, 4)
    assert (paper.batch, paper.micro_batch, paper.cutoff, paper.reference) == (4 * 8, 4, 2048, "base")


@pytest.mark.parametrize("preset", DPO_PRESETS)
def test_the_document_lists_what_the_presets_of_dpo_change(preset: str) -> None:
    document = (ROOT / "docs" / "training.md").read_text("utf-8")
    [section] = [part for part in document.split("\n## ") if part.startswith("Preferences")]
    [head] = [line for line in section.splitlines() if line.startswith("| preset |")]
    column = [cell.strip(" `") for cell in head.split("|")].index(preset)
    rows = {line.split("|")[1].strip(" `"): line.split("|") for line in section.splitlines() if line.startswith("| `")}
    shown = {name: cells[column].strip(" `") for name, cells in rows.items() if len(cells) == len(head.split("|"))}
    told = {name: value for name, value in shown.items() if name in DpoSettings.model_fields}
    for name, value in DPO_PRESETS[preset].items():
        kind = type(value)
        assert kind(told[name].replace(",", "")) == value, name
    for name in told.keys() - DPO_PRESETS[preset].keys():
        assert told[name] == "", name


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--data", "nowhere"), ("there is no such folder: nowhere",)),
        (("--data", "{data}", "--users", "0"), ("users", "greater than or equal to 1")),
        (("--data", "{data}", "--fold", "a", "--domains", "reefs"), ("reefs",)),
        (("--data", "{few}"), ("there are no",)),
        (("--data", "{data},{twice}"), ("user 'user-", "of coves occurs twice", "keep each user in one split")),
        (("--data", "{data}", "--batch", "6", "--micro-batch", "4"), ("batch 6 is not a multiple of micro_batch 4",)),
        (
            ("--data", "{data}", "--config", "{config}"),
            ("stepps: there is no such setting; did you mean steps?", "train predictor --help"),
        ),
        (("--data", "{data}", "--out", "{full}"), ("not empty and holds no run", "--out")),
    ],
)
def test_bad_input_is_told_in_one_message(
    deeper: CommandLine, tmp_path: Path, flags: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine", "utf-8")
    (tmp_path / "bad.toml").write_text("stepps = 3\n", "utf-8")
    places = {
        "data": write_data(tmp_path / "data", rows(users=30)),
        "twice": write_data(tmp_path / "twice", rows(users=30)),
        "few": write_data(tmp_path / "few", rows(users=2)),
        "full": tmp_path / "full",
        "config": tmp_path / "bad.toml",
    }
    result = deeper("train", "predictor", "--out", "adapter", *(flag.format(**places) for flag in flags))
    assert result.code == 2, result
    assert result.out == ""
    assert result.err.count("deeper: ") == 1
    assert "Traceback" not in result.err
    for part in parts:
        assert part in result.err
    assert "\n  → " in result.err
    assert not (Path("adapter") / "deeper.json").exists()


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ((), ("pairs is missing", "deeper train dpo --help explains")),
        (("--pairs", "nowhere"), ("nowhere: the folder holds no preference pairs", "deeper pairs")),
        (("--pairs", "p", "--reference", "previous"), ("reference previous needs a policy_adapter",)),
        (("--pairs", "p", "--reference", "mine"), ("'base', 'previous'",)),
        (("--pairs", "p", "--preset", "paper", "--batch", "30"), ("batch 30 is not a multiple of micro_batch 4",)),
    ],
)
def test_bad_input_of_dpo_is_told(deeper: CommandLine, flags: tuple[str, ...], parts: tuple[str, ...]) -> None:
    result = deeper("train", "dpo", "--out", "adapter", *flags)
    assert result.code == 2, result
    assert "Traceback" not in result.err
    for part in parts:
        assert part in result.err
    assert not (Path("adapter") / "deeper.json").exists()


def test_the_folder_of_a_training_is_required(deeper: CommandLine) -> None:
    result = deeper("train", "coldstart")
    assert result.code == 2
    assert "--out" in result.err
