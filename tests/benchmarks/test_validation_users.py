"""`benchmarks/predictor_and_policy.py`: its users and prompts are those of `deeper evaluate --split validation`."""

from dataclasses import replace
from pathlib import Path

import pytest

import predictor_and_policy
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.splits import user_hash
from deeper.commands.evaluate.plan import make_plan
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.population_knowledge import item_knowledge_of
from deeper.engine.adapter import Adapter
from deeper.engine.registry import make_engine
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE
from predictor_and_policy import described_row, evaluate_predictor, validation_users

KNOWING = Adapter(Path(), "predictor", "", {ITEM_KNOWLEDGE: "words"}, frozenset(), "")
WITHOUT = replace(KNOWING, templates={})


@pytest.fixture(scope="module", name="data")
def fixture_data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("planted") / "data"
    write_planted(plant_users(120, 4, seed=2), folder)
    return str(folder)


def test_prompts_are_those_of_a_run(data: str) -> None:
    plan = make_plan(
        Settings(
            data=data, users=5, split="validation", calibration="on", calibration_users=3, item_knowledge="population",
            policy_engine="scripted", predictor_engine="scripted",
        )
    )  # fmt: skip
    people = validation_users([data], 5, 3, KNOWING)
    assert people.evaluated == plan.population.eval and people.calibrating == plan.population.calibration
    knows = item_knowledge_of("population", plan.population.table, plan.loaded.domains)
    for key, windows in {**people.evaluated, **people.calibrating}.items():
        [target] = described_row(key, key, 1, people, "own")["targets"]
        assert target["k"] == 2 and target["titles"] == [item["title"] for item in windows[2]]
        assert target["standings"] == knows(key, 2, windows[2])
        assert all(target["standings"])


def test_a_predictor_that_learnt_without_item_knowledge_gets_none(data: str) -> None:
    people = validation_users([data], 5, 3, WITHOUT)
    key = next(iter(people.evaluated))
    row = described_row(key, key, 0, people, "own")
    assert row["targets"][0]["standings"] is None and row["persona"]


def test_users_that_the_predictor_learnt_from_calibrate_nothing(data: str) -> None:
    known = [*validation_users([data], 5, 3, KNOWING).calibrating]
    people = validation_users([data], 5, 3, replace(KNOWING, users=frozenset(user_hash(*key) for key in known)))
    assert len(people.calibrating) == 3 and not people.calibrating.keys() & set(known)
    assert validation_users([data], 5, 0, KNOWING, ["elsewhere"]).evaluated == {}


def test_the_predictor_is_compared_with_the_user_median_and_with_swapped_personas(
    data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor_and_policy, "load_adapter", lambda folder: KNOWING)
    monkeypatch.setattr(predictor_and_policy, "make_engines", lambda *_: {"predictor": make_engine("scripted")})
    monkeypatch.setattr(predictor_and_policy, "CALIBRATION_USERS", 0)
    found = evaluate_predictor("adapter", [data], [], 5)
    for name in ("predictor_vs_user_median", "persona_swap_effect", "rank_accuracy"):
        assert found[name]["users"] == 5, name
    assert found["calibration"] == {} and found["persona_swap_effect"]["value"] != 0
