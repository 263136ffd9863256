"""`benchmarks/stated_levels.py`: levels are read as the describer states them, and rules are those of lessons."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deeper.domains import Domain, Scale
from deeper.persona.describer import phrases
from deeper.persona.describer.describe import describe, level_only
from deeper.persona.describer.updated_facts import updated_median
from deeper.persona.evidence.facts import Facts, KindVerdict
from stated_levels import rules, stated, stated_level

STARS = Domain("stars", "Stars", "good stone", Scale(0.5, 5, 0.5), unrated=(0,))
POINTS = Domain("points", "Points", "quay", Scale(0, 100, 1))


def window(*ratings: float) -> list[dict[str, Any]]:
    return [{"title": f"Stone {i}", "categories": ["Grey"], "rating": rating} for i, rating in enumerate(ratings)]


@pytest.mark.parametrize("form", range(len(phrases.VERDICT)))
@pytest.mark.parametrize("domain", [STARS, POINTS])
def test_every_verdict_of_the_describer_is_read_as_the_level_it_states(form: int, domain: Domain) -> None:
    scale = domain.scale
    ladder = [scale.minimum + (scale.maximum - scale.minimum) * step / 18 for step in range(19)]
    for median in ladder:
        for seed in range(6):
            text = level_only(Facts(10, median), domain, seed=seed, form=form)
            assert stated_level(text, scale) == pytest.approx(median), text


def test_what_is_said_of_kinds_is_no_verdict() -> None:
    known = Facts(20, 4.0, kinds=(KindVerdict("bad mothers", 2), KindVerdict("great apes", -2)))
    texts = [describe(known, [window(4.0)], STARS, seed=seed) for seed in range(20)]
    assert any("bad mothers" in text for text in texts)
    assert {stated_level(text, STARS.scale) for text in texts} == {4.0}
    assert stated_level("They love great apes.", STARS.scale) is None


def test_rules_are_compared_with_the_user_median_and_ratings_that_mean_nothing_are_left_out() -> None:
    windows = [window(4, 4), window(2, 2, 0), window(2, 3), window(3, 3)]
    found = rules({("stars", "ann"): windows, ("points", "bob"): windows}, STARS, 4)
    # Rounds 1 and 2 predict (2, 3) and (3, 3). The median so far is 3 and then 2.5. The moved level is 3, then 2.75:
    # a third of the way to 2.5, to half a step.
    errors = {"new_window": 0.5 + 0.5, "first_window": 1.5 + 1.0, "moved": 0.5 + 0.25}
    assert found == {"users": 1} | {rule: pytest.approx(error / (0.5 + 0.5)) for rule, error in errors.items()}


def test_personas_are_judged_by_the_level_that_they_state(tmp_path: Path) -> None:
    windows = [window(4, 4), window(2, 2), window(3, 3)]
    first, second, silent = (
        {"id": name, "parent": parent, "user": user, "domain": "stars", "method": method, "k": k, "stage": "final",
         "text": text}
        for name, parent, user, method, k, text in (
            ("s0", "", "ann", "initialise", 0, "This person usually finds good stones great."),
            ("s1", "s0", "ann", "refine", 1, "They love fish. The usual verdict on good stones is decent."),
            ("t1", "s0", "bob", "refine", 1, "They love great fish."),
        )
    )  # fmt: skip
    place = {"domain": "stars", "round": 1, "role": "future", "prediction": "persona"}
    errors = [
        {**place, "user": user, "method": method, "mae": mae}
        for user in ("ann", "bob")
        for method, mae in (("refine", 0.25), ("user_median", 0.125))
    ]
    errors.append({**errors[0], "prediction": "history", "mae": 9.0})
    predictions = [{"persona_id": "s0", "k": 1, "points": [4.5, 4.5], "failure": ""}]
    for name, rows in (("errors", errors), ("personas", [first, second, silent]), ("predictions", predictions)):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    found = stated(tmp_path, {("stars", "ann"): windows, ("stars", "bob"): windows}, {"stars": STARS})
    target = updated_median(4.5, 2.0, 2, STARS.scale, 4.5)
    assert found == {
        "stars": {
            "personas": 1,
            "without_verdict": 1,
            "verdict": 0.5,
            "predictor": 0.25,
            "user_median": 0.125,
            "as_taught": float(target == 3.5),
            "above_taught": 3.5 - target,
        }
    }
