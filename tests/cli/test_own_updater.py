"""An updater from the user's own file or package: run, shown, sampled with, edited, blamed for its own errors."""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import SCRIPTED, CommandLine
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.execution import engines as engine_choice
from deeper.commands.execution.own_updaters import load_updaters, only_updater, own_methods
from deeper.commands.pairs.pairs import make_pairs
from deeper.commands.pairs.settings import PairSettings
from deeper.commands.reward.reward import reward_directions
from deeper.commands.reward.settings import RewardSettings
from deeper.commands.sample.sample import sample_directions
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import Prompt
from deeper.engine.scripted.engine import ScriptedEngine, ScriptedFailure
from deeper.errors import UserError
from deeper.storage.settings import resolve
from deeper.tracker import PersonaTracker

LAST = '''"""Regenerate S_t from the last window."""

from deeper.persona.update_input import initial_prompt

SHORT_TERM = {short}


def update(prompts, seen):
    return initial_prompt(prompts, seen.domain, seen.windows[-{windows}:], seen.max_tokens)
'''
MERGE = '''"""Merge S_{t-1} with a persona of the last window."""

SHORT_TERM = True


def update(prompts, seen):
    return prompts.render("merge", seen.domain, seen.max_tokens, persona=seen.persona, short_term=seen.short_term)
'''
QUIET = Console(quiet=True)
ROUNDS = ("--rounds", "2", "--out", "run", *SCRIPTED[:4])
METHODS = ("--methods", "refine,frozen,user_median")


@pytest.fixture(autouse=True)
def mine(deeper: CommandLine) -> Path:
    """mine.py in the current folder, beside which `deeper` runs."""
    path = Path("mine.py")
    path.write_text(LAST.format(windows=1, short=False), "utf-8")
    return path


def table(path: str) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def test_it_is_in_every_table_like_a_built_in_one(deeper: CommandLine, data: Path, mine: Path) -> None:
    words = ("evaluate", "--data", str(data), "--updater", "mine.py", "--full", *ROUNDS, *METHODS)
    result = deeper(*words)
    assert result.code == 0, result.err
    assert {row["k"] for row in table("run/personas.parquet") if row["method"] == "mine"} == {1}
    in_tables = [line.split()[0] for line in result.out.splitlines() if line.startswith(" mine")]
    in_refine = [line.split()[0] for line in result.out.splitlines() if line.startswith(" refine")]
    assert len(in_tables) == len(in_refine) > 2
    found = json.loads(Path("run/results.json").read_text("utf-8"))
    for part in ("errors", "paired"):
        rows = {name: [row for row in found[part] if row["method"] == name] for name in ("mine", "refine")}
        assert len(rows["mine"]) == len(rows["refine"]) > 0
    assert "mine" in found["reduction"]["same_window"]
    assert found["config"]["methods"] == ["refine", "frozen", "user_median", "mine"]
    summary = deeper(*words[:5], *ROUNDS, *METHODS).out
    assert "mine" in summary

    mine.unlink()  # results can be shown without the file
    before = Path("run/report.html").read_text("utf-8")
    assert "--mine:#" in before and '<input type="checkbox" value="mine"' in before
    assert deeper("report", "run").code == 0
    assert Path("run/report.html").read_text("utf-8") == before
    assert "mine" in Path("run/figures/error_by_round.svg").read_text("utf-8")


def test_it_joins_all_methods_and_several_files_may_be_given(deeper: CommandLine, data: Path) -> None:
    Path("whole.py").write_text(LAST.format(windows=9, short=True), "utf-8")
    words = ("--updater", "mine.py", "--updater", "whole.py", "--search-n", "2")
    result = deeper("demo", "--data", str(data), *words, *ROUNDS)
    assert result.code == 0, result.err
    methods = {(row["method"], row["stage"]) for row in table("run/personas.parquet")}
    assert {("mine", "final"), ("whole", "final"), ("whole", "short_term"), ("refine", "final")} <= methods
    assert {"mine", "whole"} <= {row["method"] for row in table("run/search.parquet")}


def test_an_edit_repeats_its_shards_and_a_comment_does_not(deeper: CommandLine, data: Path, mine: Path) -> None:
    words = ("evaluate", "--data", str(data), "--updater", "mine.py", *ROUNDS, *METHODS)
    assert deeper(*words).code == 0
    mine.write_text("# the same\n" + mine.read_text("utf-8"), "utf-8")
    again = deeper(*words)
    assert again.code == 0 and "the code has changed" not in again.err
    mine.write_text(LAST.format(windows=2, short=False), "utf-8")
    edited = deeper(*words)
    assert edited.code == 0
    assert "update-1: the code has changed since (own_updaters.mine)" in edited.err
    assert "initialise: the code" not in edited.err


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("def update(prompts, seen):\n    return seen.nothing\n", 2, "AttributeError: 'UpdateInput' object has no"),
        ("def update(prompts, seen):\n    return prompts.render('none', seen.domain, 9)\n", 2, "KeyError: 'none'"),
        ("import nowhere_at_all\n", 1, "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("x = 1\ndef update(prompts seen):\n", 2, "SyntaxError: "),
    ],
)
def test_an_error_in_it_is_the_user_s(
    deeper: CommandLine, data: Path, mine: Path, text: str, line: int, said: str
) -> None:
    mine.write_text(text, "utf-8")
    result = deeper("evaluate", "--data", str(data), "--updater", "mine.py", *ROUNDS, *METHODS)
    assert result.code == 2
    assert f"deeper: mine.py, line {line}: {said}" in result.err
    assert "bug in deeper" not in result.err and "Traceback" not in result.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "mine.py: the updater has no function update"),
        ("def update(prompts, seen):\n    return 'Hello'\n", "mine.py: update returned str, not a Prompt"),
    ],
)
def test_what_is_no_updater_is_refused(deeper: CommandLine, data: Path, mine: Path, text: str, said: str) -> None:
    mine.write_text(text, "utf-8")
    result = deeper("evaluate", "--data", str(data), "--updater", "mine.py", *ROUNDS, *METHODS)
    assert result.code == 2 and f"deeper: {said}" in result.err
    with pytest.raises(UserError, match="cannot be read"):
        load_updaters(["none.py"])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["refine.py"], "there is a method refine already"),
        (["user_median.py"], "there is a method user_median already"),
        (["a/mine.py", "b/mine.py"], "there is a method mine already"),
        (["My Updater.py"], "name it like two_windows.py"),
        (["mine.txt"], "name it like two_windows.py"),
    ],
)
def test_a_name_that_cannot_be_a_method_s_is_refused(deeper: CommandLine, files: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        own_methods(files)
    result = deeper("evaluate", "--updater", ",".join(files))
    assert result.code == 2 and said in result.err


def planted(folder: Path) -> Path:
    write_planted(plant_users(24, 4, seed=3), folder)
    return folder


def sampled(data: Path, out: str, **changes: Any) -> Path:
    engines = {"policy_engine": "scripted", "predictor_engine": "scripted"}
    few = {"directions": 3, "calibration": "off", "users": 10, "refinements": 2}
    sample_directions(SampleSettings(**{"data": str(data), **engines, **few, **changes}), Path(out), QUIET)
    return Path(out)


def test_directions_and_pairs_come_from_its_prompts(mine: Path) -> None:
    run = sampled(planted(Path("planted")), "sampled", updater="mine.py")
    assert {row["method"] for row in table("sampled/personas.parquet")} == {"initialise", "mine"}
    reward_directions(RewardSettings(), run, QUIET)
    anything = PairSettings(tau_plus=-9, tau_minus=9, margin=0, force=True)
    make_pairs(anything, [run], Path("pairs"))
    asked = [row["prompt"][-1]["content"] for row in table("pairs/train.parquet")]
    assert asked and not any("predicted" in text for text in asked)

    mine.write_text(LAST.format(windows=2, short=False), "utf-8")
    with pytest.raises(UserError, match="mine.py: the updater of sampled has changed since"):
        make_pairs(anything, [run], Path("again"))
    with pytest.raises(UserError, match="updater takes the place of refine, which methods does not name"):
        resolve(SampleSettings, None, {"updater": "mine.py", "methods": ("slide_regeneration",)})


def test_it_may_need_a_persona_of_the_last_window_alone_and_is_sampled_beside_others(mine: Path) -> None:
    mine.write_text(MERGE, "utf-8")
    run = sampled(planted(Path("planted")), "sampled", updater="mine.py", methods=("refine", "slide_regeneration"))
    contexts = table("sampled/contexts.parquet")
    assert {row["method"] for row in contexts} == {"mine", "slide_regeneration"}
    assert {bool(row["short_term"]) for row in contexts if row["method"] == "mine"} == {True}
    reward_directions(RewardSettings(), run, QUIET)
    make_pairs(PairSettings(tau_plus=-9, tau_minus=9, margin=0, force=True), [run], Path("pairs"))
    asked = {
        row["parent"]: row["prompt"][-1]["content"] for row in table("pairs/train.parquet") if row["method"] == "mine"
    }
    assert asked and all(row["short_term"] in asked.get(row["parent"], row["short_term"]) for row in contexts)


def test_directions_that_failed_are_counted_under_its_name(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(prompt: Prompt, sample: int) -> str:
        if sample:
            raise ScriptedFailure("no more")
        return "Fond of coves."

    monkeypatch.setattr(engine_choice, "make_engine", lambda *_: ScriptedEngine(reply=reply))
    sampled(planted(Path("planted")), "sampled", updater="mine.py")
    [failed] = json.loads(Path("sampled/manifest.json").read_text("utf-8"))["failed_calls"]
    assert (failed["what"], failed["method"], failed["reason"]) == ("directions", "mine", "no more")


def test_a_tracker_refines_with_it_and_keeps_it(mine: Path) -> None:
    engine = ScriptedEngine()
    engines = {"policy_engine": engine, "predictor_engine": engine}
    events = [{"title": f"Cove {n}", "rating": 1 + n % 5, "time": n + 1_600_000_000} for n in range(30)]
    live = PersonaTracker("movielens_small", **engines, updater="mine.py")
    live.observe("ann", events[:20])
    live.save("kept")
    live.close()
    with PersonaTracker.load("kept", **engines) as again:
        again.observe("ann", events[20:])
        assert [version.method for version in again.history("ann")] == ["initialise", "mine", "mine"]


def test_without_a_file_the_only_updater_is_refine() -> None:
    assert list(only_updater("")) == ["refine"]


PACKAGED = """from deeper.persona.update_input import initial_prompt
from taste_tools.lengths import windows


def update(prompts, seen):
    return initial_prompt(prompts, seen.domain, seen.windows[-windows():], seen.max_tokens)
"""
LENGTHS = "def windows():\n    return {}\n"
OFFERED = """[deeper.updaters]
last_ones = taste_tools.last_ones
last_ones_again = taste_tools.last_ones:update
nowhere = taste_tools.nowhere
no_module = taste_tools.last_ones:initial_prompt
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `taste_tools` that pip has installed, with an updater."""
    site = tmp_path / "site-packages"
    written(site, "taste-tools", OFFERED)
    inside = site / "taste_tools"
    inside.mkdir()
    for name, text in (("__init__", ""), ("last_ones", PACKAGED), ("lengths", LENGTHS.format(1))):
        (inside / f"{name}.py").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    forget()
    return inside


def written(site: Path, name: str, offered: str) -> None:
    """What pip writes of a package beside its modules."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(offered, "utf-8")


def forget() -> None:
    """Let the package be imported again, as a new process does."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "taste_tools"]:
        del sys.modules[name]


def test_an_installed_package_offers_an_updater(deeper: CommandLine, data: Path, package: Path) -> None:
    words = ("evaluate", "--data", str(data), "--updater", "last_ones", "--full", *ROUNDS, *METHODS)
    result = deeper(*words)
    assert result.code == 0, result.err
    found = json.loads(Path("run/results.json").read_text("utf-8"))
    assert found["config"]["methods"] == ["refine", "frozen", "user_median", "last_ones"]
    assert {entry["method"] for entry in found["errors"]} >= {"refine", "last_ones"}
    assert any(line.startswith(" last_ones") for line in result.out.splitlines())

    forget()
    (package / "lengths.py").write_text("# the same\n" + LENGTHS.format(1), "utf-8")
    again = deeper(*words)
    assert again.code == 0 and "the code has changed" not in again.err
    forget()
    (package / "lengths.py").write_text(LENGTHS.format(2), "utf-8")
    edited = deeper(*words)
    assert edited.code == 0
    assert "update-1: the code has changed since (taste_tools.lengths)" in edited.err
    assert "initialise: the code" not in edited.err


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("last_ones", "def update(prompts, seen):\n    return seen.nothing\n", 2, "AttributeError: 'UpdateInput'"),
        ("lengths", "\n\ndef windows():\n    return 1 / 0\n", 4, "ZeroDivisionError: division by zero"),
        ("last_ones", "import nowhere_at_all\n", 1, "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    ],
)
def test_an_error_in_an_installed_updater_has_its_place(
    deeper: CommandLine, data: Path, package: Path, name: str, text: str, line: int, said: str
) -> None:
    (package / f"{name}.py").write_text(text, "utf-8")
    result = deeper("evaluate", "--data", str(data), "--updater", "last_ones", *ROUNDS, *METHODS)
    assert result.code == 2
    assert f"deeper: {package / name}.py, line {line}: {said}" in result.err
    assert "bug in deeper" not in result.err


@pytest.mark.parametrize(
    ("name", "said", "do"),
    [
        ("last_one", "no installed package has an updater last_one", "did you mean last_ones?"),
        ("nowhere", "the updater nowhere is not there: No module named 'taste_tools.nowhere'", "correct its entry"),
        ("no_module", "the entry point no_module names no module", 'no_module = "taste_tools.last_ones"'),
        ("twice", "several installed packages have an updater twice", "uninstall all but one"),
    ],
)
def test_an_updater_that_no_package_offers_is_refused(
    package: Path, deeper: CommandLine, name: str, said: str, do: str
) -> None:
    for other in ("other-tools", "more-tools"):
        written(package.parent, other, "[deeper.updaters]\ntwice = taste_tools.last_ones\n")
    result = deeper("evaluate", "--updater", name)
    assert result.code == 2
    assert said in result.err and do in result.err


def test_the_only_updater_may_be_an_installed_one(package: Path) -> None:
    [(name, module)] = only_updater("last_ones_again").items()
    assert name == "last_ones_again" and module.__name__ == "taste_tools.last_ones"
