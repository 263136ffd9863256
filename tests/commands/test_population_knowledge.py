"""Runs whose predictor is told what others think of items (`--item-knowledge population`)."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from test_engines import write_adapter

from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import KINDS, Planted, plant_users, write_planted
from deeper.behaviour.users import key_of
from deeper.commands.evaluate import evaluate as pipeline
from deeper.commands.evaluate.plan import make_plan
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.commands.execution.population_knowledge import PopulationKnowledge, adapter_notes
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.evaluation.methods import CONTROLS, UPDATERS
from deeper.evaluation.visible import visible_at
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE, words_hash
from deeper.persona.item_knowledge.standings import Standings, given_by
from deeper.persona.prompts.templates import load_prompts

USERS, WINDOWS, ROUNDS, SIZE = 16, 4, 2, 10
METHODS = (*UPDATERS, "frozen", *CONTROLS, "user_median")
Lines = dict[tuple[str, int], list[str]]


def shared_titles(planted: Planted) -> Planted:
    """The users with few different titles, so that several rate the same one, and some only one.

    Everybody likes mysteries and dislikes romances.
    """
    rows: list[dict[str, Any]] = planted.behaviour.to_pylist()
    for number, row in enumerate(rows):
        kind = KINDS[number % 37 % len(KINDS)]
        known, rare, odd = f"Title {number % 37}", f"Rare {number % 20}", f"Odd {number}"
        row["categories"] = [kind]
        row["rating"] = {"Mystery": 5.0, "Romance": 0.5}.get(kind, row["rating"])
        row["title"] = row["item"] = f"{known if number % 7 else rare if number % 14 else odd}: A {kind}"
    return replace(planted, behaviour=pa.Table.from_pylist(rows, schema=planted.behaviour.schema))


def with_ratings(planted: Planted, change: Callable[[Mapping[str, Any]], bool]) -> Planted:
    """The users with some ratings mirrored at the scale's middle."""
    rows: list[dict[str, Any]] = planted.behaviour.to_pylist()
    scale = planted.domain.scale
    for row in rows:
        if change(row):
            other = scale.minimum + scale.maximum - row["rating"]
            row["rating"] = other if other != row["rating"] else scale.maximum
    return replace(planted, behaviour=pa.Table.from_pylist(rows, schema=planted.behaviour.schema))


@pytest.fixture(scope="module")
def planted() -> Planted:
    return shared_titles(plant_users(USERS, WINDOWS, seed=4))


@pytest.fixture(scope="module")
def data(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "data"
    write_planted(planted, folder)
    return folder


def settings_for(data: Path, **changes: Any) -> Settings:
    return Settings(
        **{
            "data": str(data),
            "rounds": ROUNDS,
            "methods": METHODS,
            "policy_engine": "scripted",
            "predictor_engine": "scripted",
            "item_knowledge": "population",
            **changes,
        }
    )


def evaluate(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ScriptedEngine, str]:
    """Run an evaluation; returns what was asked of the engine, and what was shown."""
    engine, shown = ScriptedEngine(), io.StringIO()
    monkeypatch.setattr(engine_choice, "make_engine", lambda *_: engine)
    pipeline.evaluate(settings, folder, Console(file=shown, width=300))
    return engine, shown.getvalue()


def predictor_texts(engine: ScriptedEngine) -> list[str]:
    """All that the engine was asked as a predictor."""
    texts: list[str] = []
    for asked in engine.asked:
        lines = (asked.prompt.user, *getattr(asked, "continuations", ()))
        if "Predict the score" in asked.prompt.user:
            texts += lines
    return texts


def lines_of(windows: pa.Table, domains: Mapping[str, Any]) -> Lines:
    """What stands beside the titles of each window of each user."""
    says = PopulationKnowledge(windows, domains)
    return {(row["user"], row["k"]): says(key_of(row), row["k"], row["items"]) for row in windows.to_pylist()}


def loaded_lines(planted: Planted, folder: Path) -> Lines:
    write_planted(planted, folder)
    loaded = load_windows(str(folder))
    return lines_of(loaded.windows, loaded.domains)


@pytest.fixture(scope="module")
def plain(data: Path) -> Lines:
    loaded = load_windows(str(data))
    return lines_of(loaded.windows, loaded.domains)


def split_of(data: Path) -> dict[str, str]:
    return {row["user"]: row["split"] for row in load_windows(str(data)).windows.to_pylist()}


def test_the_lines_come_from_what_baselines_see_at_that_round_without_the_user(data: Path, plain: Lines) -> None:
    loaded = load_windows(str(data))
    [domain] = loaded.domains.values()
    said: set[str] = set()
    for row in loaded.windows.to_pylist():
        user, k, is_eval = row["user"], row["k"], row["split"] == "eval"
        others: dict[str, list[Any]] = {}
        for other in loaded.windows.to_pylist():
            is_seen = other["split"] == "train" or (is_eval and other["k"] < k)
            if other["user"] != user and is_seen:
                others.setdefault(other["user"], []).append(other["items"])
        assert plain[user, k] == Standings(given_by(others, domain), domain).words(row["items"], user)
        said |= set(plain[user, k])
        if is_eval and k:
            seen = visible_at(loaded.windows, domain, k - 1)
            ratings = sum(len(window) for windows in others.values() for window in windows)
            own = k * SIZE
            assert len(seen.rating) == ratings + own
    assert {words[2:].partition(")")[0] for words in said} == set(KINDS), "each item has a category"
    standings = {words.partition(")")[2] for words in said}
    for begin in ("; others rate it ", "; a few others rate it ", "; others may rate it "):
        assert any(words.startswith(begin) for words in standings)
    assert "" in standings


@pytest.mark.parametrize("number", range(0, USERS, 3))
def test_no_rating_of_the_user_is_in_the_own_lines(
    planted: Planted, data: Path, plain: Lines, tmp_path: Path, number: int
) -> None:
    user = sorted(split_of(data))[number]
    other = loaded_lines(with_ratings(planted, lambda row: row["user"] == user), tmp_path / "data")
    own = [key for key in plain if key[0] == user]
    assert own and all(plain[key] == other[key] for key in own)
    assert any(plain[key] != other[key] for key in plain if key[0] != user), "for others it is knowledge"


@pytest.mark.parametrize("k", range(WINDOWS))
def test_no_rating_of_the_window_or_a_later_one_is_in_the_lines_of_eval_users(
    planted: Planted, data: Path, plain: Lines, tmp_path: Path, k: int
) -> None:
    split = split_of(data)
    changed = with_ratings(planted, lambda row: split[row["user"]] == "eval" and row["position"] // SIZE >= k)
    other = loaded_lines(changed, tmp_path / "data")
    for (user, window), lines in plain.items():
        if split[user] == "train" or window <= k:
            assert lines == other[user, window]
    later = [key for key in plain if split[key[0]] == "eval" and key[1] > k]
    assert bool(later) == any(plain[key] != other[key] for key in later)


@pytest.mark.parametrize("readout", ["distribution", "structured"])
@pytest.mark.parametrize("prediction", ["persona", "history"])
def test_every_prompt_of_the_predictor_says_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readout: str, prediction: str
) -> None:
    settings = settings_for(data, readout=readout, prediction=prediction, search_n=2, calibration="on")
    with_words, _ = evaluate(settings, tmp_path / "known", monkeypatch)
    without, _ = evaluate(settings.model_copy(update={"item_knowledge": "none"}), tmp_path / "none", monkeypatch)
    assert "their usual" not in " ".join(predictor_texts(without))
    texts = predictor_texts(with_words)
    lines = [line for text in texts for line in text.splitlines() if line.startswith('"')]
    known = [line for line in lines if line.endswith("their usual")]
    assert len(known) > 0.7 * len(lines)
    # Nothing but the words has come: without them, the first questions are the same, and those of the policy too.
    assert {line.partition('" (')[0] for line in lines} == {
        line.rstrip('"') for text in predictor_texts(without) for line in text.splitlines() if line.startswith('"')
    }
    of_policy = [[a.prompt for a in e.asked if "Predict the score" not in a.prompt.user] for e in (with_words, without)]
    assert of_policy[0][0] == of_policy[1][0] and not any("their usual" in p.user for p in of_policy[0])


def test_a_finished_run_is_not_asked_again_and_other_lines_are(
    planted: Planted, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    write_planted(planted, folder)
    settings = settings_for(folder, methods=("refine", "no_persona"))
    first, _ = evaluate(settings, tmp_path / "run", monkeypatch)
    again, _ = evaluate(settings, tmp_path / "run", monkeypatch)
    assert first.asked and not again.asked
    files = {path.name for path in (tmp_path / "run" / "predict-0").iterdir()}
    # A train user is judged by nobody; only what is said of items can change.
    split = split_of(folder)
    train = next(user for user, part in sorted(split.items()) if part == "train")
    (tmp_path / "copy").rename(tmp_path / "old")
    write_planted(with_ratings(planted, lambda row: row["user"] == train), folder)
    changed, _ = evaluate(settings, tmp_path / "run", monkeypatch)
    assert changed.asked
    assert {path.name for path in (tmp_path / "run" / "predict-0").iterdir()} > files


def test_nothing_is_said_and_one_note_tells_where_there_is_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"ann,Cove {n},{1 + n % 5},{n}\n" for n in range(40))
    (tmp_path / "ratings.csv").write_text("user,title,rating,time\n" + rows, "utf-8")
    settings = Settings(
        ratings=str(tmp_path / "ratings.csv"),
        split="all",
        rounds=1,
        methods=("refine", "no_persona"),
        policy_engine="scripted",
        predictor_engine="scripted",
        item_knowledge="population",
        calibration="off",
    )
    engine, shown = evaluate(settings, tmp_path / "run", monkeypatch)
    assert "their usual" not in " ".join(predictor_texts(engine))
    notes = json.loads((tmp_path / "run" / "results.json").read_text("utf-8"))["notes"]
    [note] = [note for note in notes if "item knowledge" in note]
    assert note == "item knowledge: none in item, since no other user's ratings are known"
    assert shown.count("item knowledge") == 1


@pytest.fixture
def predictors(tmp_path: Path) -> dict[str, str]:
    """Adapters of a predictor, by the item knowledge that they learnt with."""
    plain = load_prompts().hashes_for("predictor")
    learnt = {"none": plain, "population": {**plain, ITEM_KNOWLEDGE: words_hash()}}
    return {
        name: write_adapter(tmp_path / name, kind="predictor", templates=templates)
        for name, templates in learnt.items()
    }


def test_a_note_tells_of_an_adapter_that_learnt_with_other_knowledge(predictors: dict[str, str]) -> None:
    [note] = adapter_notes("population", "embedded", [predictors["none"]])
    assert f"the adapter {predictors['none']} was trained without it" in note
    [note] = adapter_notes("none", "embedded", [predictors["population"]])
    assert f"none, but the adapter {predictors['population']} was trained with it" in note
    assert "--item-knowledge population" in note
    for name, adapter in predictors.items():
        assert adapter_notes(name, "embedded", [adapter]) == []  # pyright: ignore[reportArgumentType]
        assert adapter_notes("population", "openai:m", [adapter]) == []
    assert adapter_notes("population", "embedded", []) == []


def test_the_plan_has_the_note_of_the_adapter(
    data: Path, predictors: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "make_engine", lambda *_: ScriptedEngine())
    adapter = predictors["none"]
    plan = make_plan(settings_for(data, predictor_adapter=adapter))
    assert [note for note in plan.notes if note.startswith(f"item knowledge: the adapter {adapter}")]


def test_results_name_the_setting_and_errors_of_baselines_stay(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(data, methods=("refine", "item_standing", "user_median"), calibration="off")
    for name in ("none", "population"):
        evaluate(settings.model_copy(update={"item_knowledge": name}), tmp_path / name, monkeypatch)
        results = json.loads((tmp_path / name / "results.json").read_text("utf-8"))
        assert results["config"]["item_knowledge"] == name
    errors = [pq.read_table(tmp_path / name / "errors.parquet") for name in ("none", "population")]
    is_baseline = pc.field("prediction") == "none"
    assert errors[0].filter(is_baseline).equals(errors[1].filter(is_baseline))
    assert not np.array_equal(errors[0].filter(~is_baseline)["mae"], errors[1].filter(~is_baseline)["mae"])
