"""Recipes and the records of training runs in adapters' cards."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deeper.engine.adapter import SHIPPED, load_adapter
from deeper.errors import UserError
from deeper.learning.examples.recipe import LESSONS
from deeper.learning.training.recipe import ADAPTER
from deeper.learning.training_record import TrainingRecord, training_record
from deeper.persona.describer.recipe import DESCRIBER
from deeper.persona.evidence.recipe import EVIDENCE
from deeper.storage.provenance import dump_recipes


def test_a_dumped_recipe_is_equal_after_json() -> None:
    found = dump_recipes(evidence=EVIDENCE, describer=DESCRIBER, lessons=LESSONS, adapter=ADAPTER)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["evidence"]["spread_starts"] == [0.06, 0.12, 0.18]
    assert found["describer"]["slowest"] == 3
    assert found["lessons"]["task_shares"]["refine"] == 0.2
    assert found["adapter"]["dropout"] == 0.0


@pytest.mark.parametrize("name", ["small-policy", "small-predictor"])
def test_cards_without_recipes_are_read(name: str) -> None:
    record = training_record(load_adapter(SHIPPED / name))
    assert record.recipes == {} and record.steps and record.users
    trainings = record.all_trainings
    assert trainings[-1] is record and trainings[0].before is None
    assert len(trainings) == (3 if name == "small-policy" else 1)


def test_a_record_keeps_only_what_was_given() -> None:
    given = {"settings": {"base": ""}, "seed": 1, "steps": 6, "users": {"coves": 2}, "recipes": {"adapter": {"x": [1]}}}
    record = TrainingRecord(**given)
    assert record.as_card() == given
    assert TrainingRecord.model_validate_json(json.dumps(record.as_card())) == record


def test_a_card_that_describes_no_training_is_refused() -> None:
    broken = replace(load_adapter(SHIPPED / "small-predictor"), folder=Path("mine"), provenance={"users": "many"})
    with pytest.raises(UserError, match="does not describe a training"):
        training_record(broken)
