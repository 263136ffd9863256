import inspect
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import Mock

import click
import pyarrow.parquet as pq
import pytest
from command_line import SCRIPTED, CommandLine

from deeper.cli import demo, evaluate
from deeper.cli.main import COMMANDS, cli
from deeper.cli.options.from_settings import given
from deeper.commands.evaluate.evaluate import evaluate as evaluate_function
from deeper.commands.evaluate.settings import Settings, resolve_settings
from deeper.commands.execution.shipped import DECIDING, with_shipped
from deeper.engine import ServerSettings

HELP = {
    (): ("Start here:\n", "deeper demo  ", "deeper evaluate --help  "),
    ("demo",): ("Show a persona", "Examples:\n", "--untuned", "  deeper demo --ratings ratings.csv", "[default: 16]"),
    ("evaluate",): ("CC BY-NC 4.0", "  deeper evaluate --users 16 --methods", "--full", "slide_regeneration"),
    ("report",): ("Examples:\n", "  deeper report runs/mine", "report.html"),
    ("compare",): ("Examples:\n", "  deeper compare runs/small runs/large", "RUN:METHOD", "--json"),
    ("train",): ("predictor", "coldstart", "dpo"),
    ("train", "predictor"): ("Examples:\n", "[default: 0.001]", "--preset", "deeper.json"),
    ("train", "coldstart"): ("Example:\n", "[default: 120]", "--preset", "deeper.json"),
    ("sample",): ("Examples:\n", "  deeper reward runs/directions", "[default: 15]", "[default: b,validation]"),
    ("reward",): (
        "Examples:\n",
        "  deeper reward runs/directions",
        "[default: 1.0,1.0,1.0]",
        "[mae|crps|crps_net|rank]",
    ),
    ("pairs",): ("Examples:\n", "  deeper pairs runs/directions --out runs/pairs\n", "τ⁺"),
    ("train", "dpo"): ("Examples:\n", "--reference base", "[base|previous]", "deeper.json"),
    ("learn",): ("Examples:\n", "  deeper learn --preset smoke", "learn.json", "--force"),
    ("export",): ("hub", "llamafactory"),
    ("export", "hub"): ("Examples:\n", "deeper export hub windows movielens_small", "[default: other]"),
    ("export", "llamafactory"): ("Example:\n", "llamafactory-cli train iteration_1.yaml"),
    ("prepare",): ("Examples:\n", "  deeper prepare --all --raw downloads", "docs/domains.md", "[default: 0.001;"),
    ("inspect",): ("Examples:\n", "  deeper inspect data/movielens_20m", "--html"),
    ("synth",): ("users", "raw", "check"),
    ("synth", "check"): ("Examples:\n", "  deeper synth check planted --run runs/planted", "Exit code 2"),
    ("synth", "raw"): ("Examples:\n", "[default: 200000;", "truth.json"),
    ("synth", "users"): ("Examples:\n", "[default: 100;", "[required]", "deeper evaluate --data"),
    ("models",): ("A tick marks the models",),
    ("doctor",): ("Exit code 0",),
    ("init-config",): ("deeper evaluate --config deeper.toml", "--domain my-ratings/domain.toml", "[default: 1:5:1]"),
}


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_teaches(deeper: CommandLine, words: tuple[str, ...]) -> None:
    result = deeper(*words, "--help")
    assert (result.code, result.err) == (0, "")
    for part in HELP[words]:
        assert part in result.out
    assert "\\b" not in result.out
    assert "\b" not in result.out
    assert deeper(*words, "-h").out == result.out


def test_help_is_there_for_every_command() -> None:
    assert {words[0] for words in HELP if words} == set(COMMANDS)
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_flags_keys_and_arguments_have_the_same_names() -> None:
    for command in (evaluate.command, demo.command):
        options = {option.name: option.opts for option in command.params if isinstance(option, click.Option)}
        of_a_run = {"config", "out", "yes", "untuned", "full", "reuse_shards"}
        assert options.keys() == Settings.model_fields.keys() | of_a_run
        for name in Settings.model_fields:
            assert options[name] == [f"--{name.replace('_', '-')}"]
    assert "settings" in inspect.signature(evaluate_function).parameters
    assert tomllib.loads(Settings().to_toml()).keys() == Settings.model_fields.keys()


def test_help_shows_every_default_and_the_presets_own() -> None:
    for command, preset in ((evaluate.command, {}), (demo.command, demo.PRESET)):
        options = {option.name: option for option in command.params if isinstance(option, click.Option)}
        for name, field in Settings.model_fields.items():
            default: Any = preset.get(name, field.default)
            text = options[name].help or ""
            assert text.startswith(field.description or "?")
            if default and name != "methods" and not isinstance(default, ServerSettings):
                shown = ",".join(default) if isinstance(default, tuple) else default
                assert text.endswith(f"[default: {shown}]")
    assert Settings(**demo.PRESET).users == demo.PRESET["users"]


def test_flags_that_were_not_given_are_not_there() -> None:
    assert given({"users": None, "methods": (), "seed": "3"}) == {"seed": "3"}


def test_a_list_is_one_flag_with_commas_or_several_flags() -> None:
    both = ("refine, frozen,", "user_median")
    assert given({"methods": both}) == {"methods": ("refine", "frozen", "user_median")}


def test_a_written_configuration_is_accepted_and_explained(deeper: CommandLine, data: Path) -> None:
    result = deeper("init-config", "mine.toml")
    assert (result.code, result.err) == (0, "")
    assert "deeper evaluate --config mine.toml" in result.out
    assert Settings(**tomllib.loads(Path("mine.toml").read_text("utf-8"))) == Settings()
    before = Path("mine.toml").read_bytes()
    again = deeper("init-config", "mine.toml")
    assert again.code == 2
    assert "--force" in again.err
    Path("mine.toml").write_bytes(b"users = 3")
    assert deeper("init-config", "mine.toml", "--force").code == 0
    assert Path("mine.toml").read_bytes() == before
    flags = ("--data", str(data), "--rounds", "1", "--out", "run", *SCRIPTED)
    assert deeper("evaluate", "--config", "mine.toml", *flags).code == 0


def test_users_of_planted_taste_can_be_evaluated(deeper: CommandLine) -> None:
    made = deeper("synth", "users", "--out", "planted", "--users", "6", "--windows", "4")
    assert (made.code, made.err) == (0, "")
    assert "deeper evaluate --data planted" in made.out
    result = deeper("evaluate", "--data", "planted", "--rounds", "2", "--full", *SCRIPTED)
    assert result.code == 0
    assert "user_median" in result.out
    assert "refine" in result.out
    [folder] = Path("runs").iterdir()
    assert f"Run folder: {folder}" in result.out
    found = json.loads((folder / "results.json").read_text("utf-8"))
    assert found["config"]["rounds"] == 2
    assert found["users"] == {"planted": 2}
    assert {error["method"] for error in found["errors"]} == {"refine", "frozen", "user_median"}
    for name in ("personas", "predictions", "errors", "cost"):
        assert pq.read_table(folder / f"{name}.parquet").num_rows
    assert not list(Path().rglob("*.part"))


def test_repeating_a_run_costs_nothing_and_changes_nothing(deeper: CommandLine, data: Path) -> None:
    words = ("evaluate", "--data", str(data), "--rounds", "1", "--out", "run", *SCRIPTED)
    first = deeper(*words)
    tables = {path: path.read_bytes() for path in Path("run").rglob("*.parquet")}
    second = deeper(*words)
    assert (first.code, second.code) == (0, 0)
    assert second.out == first.out
    assert second.err.count("from an earlier run") == second.err.count(" rows in ") == 4
    assert {path: path.read_bytes() for path in Path("run").rglob("*.parquet")} == tables


def test_the_structured_readout_runs(deeper: CommandLine, data: Path) -> None:
    result = deeper("evaluate", "--data", str(data), "--rounds", "1", "--readout", "structured", "--full", *SCRIPTED)
    assert result.code == 0
    assert "Predictions that could not be read: none" in result.out


@pytest.mark.parametrize(
    "words", [("fly",), ("evaluate", "--height", "3"), ("evaluate", "--readout", "tarot"), ("synth", "users")]
)
def test_a_wrong_word_is_the_users_error(deeper: CommandLine, words: tuple[str, ...]) -> None:
    result = deeper(*words)
    assert result.code == 2
    assert result.out == ""
    assert result.err.count("Error: ") == 1
    assert "--help" in result.err


def test_a_bug_is_ours_and_its_details_are_kept(
    deeper: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = Mock(side_effect=ZeroDivisionError("nine divided by nothing"))
    monkeypatch.setattr("deeper.cli.evaluate.resolve_settings", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = deeper("evaluate")
    assert result.code == 1
    assert result.err.startswith("deeper: a bug in deeper: ZeroDivisionError: nine divided by nothing (cli/")
    assert "Traceback" not in result.err
    [details] = tmp_path.glob("deeper-bug-*.txt")
    assert str(details) in result.err
    assert "Traceback" in details.read_text("utf-8")
    monkeypatch.setenv("DEEPER_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        deeper("evaluate")


def test_a_bug_on_a_full_disk_is_still_one_message(deeper: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deeper.cli.evaluate.resolve_settings", Mock(side_effect=ZeroDivisionError))
    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    result = deeper("evaluate")
    assert result.code == 1
    assert "No details were kept (No space left on device)" in result.err
    assert "Traceback" not in result.err


def test_an_interruption_says_how_to_go_on(deeper: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("deeper.cli.evaluate.resolve_settings", interrupted)
    result = deeper("evaluate")
    assert result.code == 130
    assert "continues where it was" in result.err


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [(("--version",), 0, "deeper"), (("evaluate", "--data", "nowhere"), 2, "no such folder"), ((), 2, "Start here")],
)
def test_the_console_script(tmp_path: Path, words: tuple[str, ...], code: int, part: str) -> None:
    script = Path(sys.executable).with_name("deeper")
    done = subprocess.run(
        [str(script), *words],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "90"},
    )
    assert done.returncode == code
    assert part in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


def test_messages_survive_a_terminal_of_ascii(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("deeper")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for words, code in ((["evaluate", "--data", "café"], 2), (["evaluate", "--help"], 0)):
        done = subprocess.run(
            [str(script), *words],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert "bug in deeper" not in done.stderr


def test_a_written_configuration_leaves_the_package_s_adapters_to_the_command(deeper: CommandLine) -> None:
    assert deeper("init-config", "mine.toml").code == 0
    text = Path("mine.toml").read_text("utf-8")
    assert resolve_settings(Path("mine.toml"), {}).model_fields_set == Settings.model_fields.keys() - {*DECIDING}
    assert all(f"\n# {name} = " in text for name in DECIDING)
    written = tomllib.loads(text.replace("\n# policy_engine = ", "\npolicy_engine = "))
    assert with_shipped(Settings(**written)).policy_adapter == ""
