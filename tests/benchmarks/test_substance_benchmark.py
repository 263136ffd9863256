"""The benchmark of substance on planted users and rules: what it asks again, and what it reads."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import language
import long_users
import substance
from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.evaluation.runs.load_run import load_run
from deeper.persona.evidence.facts import median_rating
from long_stream import long_stream, prompt_tokens
from predict_again import Again, again, level_only

TEXT = "The highest praise is often given. Most films strike this person as good, with small exceptions. They love war."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes runs by rules on 16 planted users, once for each name."""
    place = tmp_path_factory.mktemp("substance")
    write_planted(plant_users(16, 5, seed=2), place / "planted")

    def make(name: str, **changes: Any) -> Path:
        if not (place / name).exists():
            settings: dict[str, Any] = {
                "data": str(place / "planted"),
                "split": "all",
                "policy_engine": "scripted:taste",
                "predictor_engine": "scripted:taste",
                "calibration": "off",
                "rounds": 2,
                "roles": ("future",),
                "methods": ("refine", "user_median"),
            }
            evaluate(Settings(**{**settings, **changes}), place / name, Console(quiet=True))
        return place / name

    return make


@pytest.fixture
def run(made: Callable[..., Path]) -> Again:
    return again(made("plain"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"item_knowledge": "population"},
        {"calibration": "on"},
        {"calibration": "on", "split": "eval", "users": 3, "item_knowledge": "population"},
    ],
    ids=["plain", "items", "cross-fitted", "calibrated"],
)
def test_the_persona_itself_is_predicted_from_as_the_run_did(
    made: Callable[..., Path], changes: dict[str, Any]
) -> None:
    one = again(made("-".join(["again", *map(str, changes.values())]), **changes))
    found, expected = one.errors(substance.refined(one)), substance.own_errors(one.run)
    assert found.keys() == expected.keys()
    for place, values in expected.items():
        assert found[place] == pytest.approx(values, abs=1e-5)


def test_the_level_sentence_is_the_first_that_names_a_level() -> None:
    assert level_only(TEXT) == "Most films strike this person as good, with small exceptions."
    assert level_only("They love war.") == ""


def test_personas_are_swapped_within_the_same_level(run: Again) -> None:
    judged = substance.refined(run)
    swapped = substance.swapped(judged, run)
    text_of = {(row["user"], k): row["text"] for row, k in judged}
    domain = run.run.domains["planted"]

    def level(user: str, k: int) -> float:
        return median_rating(run.windows["planted", user][:k], domain)

    groups: dict[tuple[int, float], list[str]] = {}
    for user, k in text_of:
        groups.setdefault((k, level(user, k)), []).append(user)
    has_partner = {(user, k) for (k, _), users in groups.items() if len(users) > 1 for user in users}
    assert {(row["user"], k) for row, k in swapped} == has_partner
    assert has_partner != set(text_of), "some user has no partner, so leaving out is tested"
    for row, k in swapped:
        others = {text_of[user, k] for user in groups[k, level(row["user"], k)] if user != row["user"]}
        assert row["text"] in others
    assert sorted(row["text"] for row, _ in swapped) == sorted(text_of[place] for place in has_partner)


def test_what_is_missing_or_foreign_in_a_persona_costs_error(run: Again) -> None:
    found = substance.differences([run])
    for name in ("level_only_difference", "permutation_difference"):
        assert found[name]["value"] > 0 and found[name]["mae"]["value"] > 0
        assert found[name]["domains"]["planted"]["value"] == found[name]["value"]
    permuted = found["permutation_difference"]
    assert permuted["users"] + permuted["without_partner"] == found["level_only_difference"]["users"] == 16


def test_figures_of_texts_are_those_of_the_results(run: Again) -> None:
    found, [last] = substance.held([run.run]), [
        one for one in run.run.results.substance if (one.method, one.round) == ("refine", 2)
    ]  # fmt: skip
    assert last.names_kind and found["names_a_kind"]["value"] == last.names_kind.value
    assert found["content_words"]["value"] == last.content_words
    assert found["later_residuals"]["users"] == 16


def test_a_paraphrase_and_a_level_sentence_are_compared_with_the_persona(made: Callable[..., Path]) -> None:
    errors = language.errors_by_text(made("plain"), "")
    assert set(errors) == {"whole", "level_only", "paraphrase"}
    one = again(made("plain"))
    own = {key: values["mae"] for (key, k), values in substance.own_errors(one.run).items() if k == 3}
    assert errors["whole"] == pytest.approx(own, abs=1e-5)
    assert np.mean(list(errors["level_only"].values())) > np.mean(list(errors["whole"].values()))


class TestLongStream:
    @pytest.fixture
    def long(self, made: Callable[..., Path]) -> Path:
        return made("long", rounds=3, methods=("refine", "full_regeneration", "user_median"))

    def test_errors_and_texts_stand_beside_each_other_by_round(self, long: Path) -> None:
        found, results = long_stream(load_run(long)), load_run(long).results
        assert (found["rounds"], found["users"]) == (3, 16)
        for one in results.errors:
            assert found["methods"][one.method][one.round]["mae"] == pytest.approx(one.mae, abs=1e-4)
        [paired] = [
            a.mae - b.mae for a in results.errors for b in results.errors
            if (a.method, a.round, b.method, b.round) == ("refine", 3, "full_regeneration", 3)
        ]  # fmt: skip
        assert found["value"] == pytest.approx(paired, abs=1e-4)
        assert "tokens" in found["methods"]["refine"][0] and "tokens" not in found["methods"]["user_median"][0]

    def test_prompt_tokens_of_a_stage_are_shared_out_and_grow_with_all_ratings(self, long: Path) -> None:
        run = load_run(long)
        tokens = prompt_tokens(run)
        used = {row["stage"]: row["tokens_prompt"] for row in run.cost.to_pylist()}
        for t in (1, 2, 3):
            both = sum(16 * tokens[method, t] for method in ("refine", "full_regeneration"))
            assert both == pytest.approx(used[f"update-{t}"], abs=2)
        assert tokens["full_regeneration", 3] > 1.2 * tokens["full_regeneration", 1]
        assert tokens["refine", 3] < 1.2 * tokens["refine", 1]

    def test_a_run_of_other_methods_is_refused(self, made: Callable[..., Path]) -> None:
        with pytest.raises(SystemExit, match="full_regeneration"):
            long_stream(load_run(made("plain")))


def test_bundled_users_with_many_ratings_keep_their_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["long_users.py", str(tmp_path / "long")])
    long_users.main()
    windows, bundled = (load_windows(data).windows.to_pylist() for data in (str(tmp_path / "long"), "movielens_small"))
    split = {row["user"]: row["split"] for row in bundled}
    long = {row["user"] for row in windows if row["split"] == "eval"}
    assert len(long) > 20
    assert all(row["split"] == split[row["user"]] for row in windows)
    assert {row["k"] for row in windows if row["user"] in long} == set(range(22))
    assert all(sum(row["user"] == user for row in windows) == 22 for user in sorted(long)[:3])


def test_the_whole_benchmark_prints_json(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = made("long", rounds=3, methods=("refine", "full_regeneration", "user_median"))
    arguments = ["substance.py", str(made("plain")), "--planted", str(made("plain")), "--long", str(long)]
    monkeypatch.setattr(sys, "argv", arguments)
    substance.main()
    found = json.loads(capsys.readouterr().out)
    keys = (
        "taste_recall",
        "taste_wrong",
        "names_a_kind",
        "level_only_difference",
        "permutation_difference",
        "long_stream",
    )
    for key in keys:
        low, high = found[key]["ci"]
        assert low <= found[key]["value"] <= high and found[key]["users"] > 0, key
    assert found["content_words"]["value"] > 0 and found["content_words"]["users"] == 16
    assert found["taste_recall"]["value"] > 0.6
