"""What every domain must support: inherit `DomainContract` and name the domain.

class TestMine(DomainContract):
    domain = one_of(load_domain(Path("my-films/domain.toml")))

It needs no ratings: synthetic ones are planted on the domain's scale.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.domains import Domain
from deeper.domains.levels import verdict_words
from deeper.persona.predict import answer_schema, read_answer
from deeper.persona.prompts.item_lines import rating_lines
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.update_input import UpdateInput
from deeper.persona.updaters import UPDATERS


def one_of(*domains: Domain) -> Any:
    """The fixture `domain` of a test class: each of these domains in turn."""

    def domain(cls: type, request: pytest.FixtureRequest) -> Domain:
        return request.param

    return pytest.fixture(params=domains, ids=lambda domain: domain.id, scope="class")(classmethod(domain))


class DomainContract:
    """What commands, prompts, predictions and tables need from a domain."""

    @pytest.fixture(scope="class")
    @classmethod
    def domain(cls) -> Domain:
        raise NotImplementedError("override the fixture `domain`")

    def test_each_value_has_a_label_of_its_own(self, domain: Domain) -> None:
        assert [float(label) for label in domain.scale.labels] == domain.scale.values.tolist()
        assert len(set(domain.scale.labels)) == len(domain.scale.labels) >= 2
        assert (np.diff(domain.scale.values) > 0).all()

    def test_ratings_are_taken_as_tables_hold_them(self, domain: Domain) -> None:
        stored = domain.scale.values.astype(np.float32)
        assert all(domain.accepts(float(rating)) for rating in stored)
        assert domain.scale.index(stored).tolist() == list(range(len(stored)))
        assert not domain.accepts(domain.scale.maximum + domain.scale.step / 2)

    def test_marks_of_no_rating_differ_from_ratings(self, domain: Domain) -> None:
        marks = np.array(domain.unrated)
        assert all(domain.accepts(mark) for mark in domain.unrated)
        assert not domain.is_rated(marks).any()
        assert domain.is_rated(domain.scale.values).sum() >= 2

    def test_levels_have_words_that_rise_with_them(self, domain: Domain) -> None:
        words = [verdict_words(rating, domain.scale) for rating in domain.scale.values]
        assert words[0] != words[-1]
        assert len(words) == len(set(words)) or len(words) > 10

    @pytest.mark.parametrize("name", UPDATERS)
    def test_prompts_call_things_by_their_names(self, domain: Domain, name: str) -> None:
        values = domain.scale.values
        window = [
            {"item": f"i{i}", "title": f"Thing {i}", "categories": [], "rating": v, "time": None}
            for i, v in enumerate(values)
        ]
        seen = UpdateInput(domain, "Fond of things.", [window, window], values.tolist(), "Lately fond.", 120)
        prompt = UPDATERS[name](load_prompts(), seen)
        assert domain.item_noun in prompt.system + prompt.user
        lines = rating_lines(window, domain).splitlines()
        assert [line.partition(":")[0] for line in lines[:-1]] == [
            label if rated else "not rated"
            for label, rated in zip(domain.scale.labels[::-1], domain.is_rated(values)[::-1], strict=True)
        ]

    def test_every_value_can_be_answered(self, domain: Domain) -> None:
        allowed = answer_schema(domain, 1)["properties"]["ratings"]["items"]["enum"]
        shares, failure = read_answer(json.dumps({"ratings": allowed}), domain, len(allowed))
        assert failure == "" and (shares == np.eye(len(domain.scale.values))).all()

    def test_the_main_job_runs_from_ratings_to_errors(self, domain: Domain, tmp_path: Path) -> None:
        write_planted(plant_users(8, windows=3, domain=domain), tmp_path / "data")
        settings = Settings(
            data=str(tmp_path / "data"), rounds=1, methods=("refine", "frozen", "user_median"), roles=("future",),
            policy_engine="scripted", predictor_engine="scripted",
        )  # fmt: skip
        evaluate(settings, tmp_path / "run", Console(quiet=True))
        errors = pq.read_table(tmp_path / "run" / "errors.parquet").to_pylist()
        assert {(row["domain"], row["method"]) for row in errors} == {(domain.id, name) for name in settings.methods}
        assert all(0 <= row["mae"] <= domain.scale.maximum - domain.scale.minimum for row in errors)
