"""What predictors learn from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from training_cases import COVES, REEFS, user_in, users_in

from deeper.domains import Scale
from deeper.errors import UserError
from deeper.learning.examples.expected_ratings import ExpectedRatings, FactSet, Floats, RatedItems
from deeper.learning.examples.item_standing import ItemStandings, features_of_titles, standings_of
from deeper.learning.examples.policy_personas import PolicyTexts, read_personas
from deeper.learning.examples.readings import Reading, soft_labels, validation_readings
from deeper.learning.examples.readings import training_readings as draw_readings
from deeper.learning.examples.recipe import READINGS
from deeper.learning.examples.user_windows import UserWindows, WindowPrefix, one_prefix_each
from deeper.learning.training.fit_expected_ratings import fit_expected_ratings
from deeper.persona.describer.updated_facts import facts_after_updates
from deeper.persona.evidence.facts import Facts


def training_readings(
    users: Sequence[UserWindows], texts: PolicyTexts, count: int, seed: int
) -> tuple[list[Reading], Counter[str]]:
    return draw_readings(users, texts, count, seed, fit_expected_ratings)


@pytest.mark.parametrize(
    ("scale", "rating", "expected"),
    [
        (Scale(1, 5, 1), 4, {4: 1.0}),
        (Scale(1, 5, 1), 4.5, {4: 0.5, 5: 0.5}),
        (Scale(1, 5, 1), 4.25, {4: 0.75, 5: 0.25}),
        (Scale(1, 5, 1), 5, {5: 1.0}),
        (Scale(1, 5, 1), 0.5, {1: 1.0}),
        (Scale(0.5, 5, 0.5), 4.5, {4.5: 1.0}),
        (Scale(0.5, 5, 0.5), float(np.float32(3.3)), {3.0: 0.4, 3.5: 0.6}),
        (Scale(0, 100, 10), 25, {20: 0.5, 30: 0.5}),
    ],
)
def test_a_rating_is_its_label_or_its_neighbours_in_proportion(
    scale: Scale, rating: float, expected: dict[float, float]
) -> None:
    [shares] = soft_labels([rating], scale)
    assert shares.sum() == pytest.approx(1)
    found = {value: share for value, share in zip(scale.values.tolist(), shares.tolist(), strict=True) if share}
    assert found == pytest.approx(expected, abs=1e-6)


def test_domains_weigh_the_same_and_kinds_have_their_shares() -> None:
    readings, counts = training_readings([*users_in(COVES, 30), *users_in(REEFS, 3)], {}, 600, seed=1)
    assert (counts["coves"], counts["reefs"]) == (300, 300)
    rest = sum(share for kind, share in READINGS.persona_kind_shares.items() if kind != "policy")
    for kind in ("describer", "level_only", "unknown"):
        assert counts[kind] / 600 == pytest.approx(READINGS.persona_kind_shares[kind] / rest, abs=0.05)
    assert counts["policy"] == 0
    # Each of the 90 moments of the first 30 users once before any comes again: all windows are targets.
    used = Counter((r.user, r.titles[0]) for r in readings if r.domain is COVES)
    assert {user for user, _ in used} == {f"u{n}" for n in range(30)}


def test_equal_seeds_give_equal_readings_and_a_longer_training_begins_alike() -> None:
    some = users_in(COVES, 5)
    one, _ = training_readings(some, {}, 40, seed=1)
    assert training_readings(some, {}, 40, seed=1)[0] == one
    assert training_readings(some, {}, 60, seed=1)[0][:40] == one
    assert training_readings(some, {}, 40, seed=2)[0] != one


def test_the_target_comes_after_all_that_the_persona_knows() -> None:
    # Earlier windows are all of one rating, the last of another: a persona that knows the target would say so.
    known = user_in(COVES, "u", [[5.0] * 4, [5.0] * 4, [1.0] * 4])
    readings, _ = training_readings([known], {}, 60, seed=1)
    for reading in readings:
        assert reading.median == 5.0
        assert not any(title in reading.persona for title in reading.titles)
        assert reading.expected is not None and reading.expected.shape == (len(reading.titles), 5)
    last = [reading for reading in readings if set(reading.ratings) == {1.0}]
    assert 30 < len(last) < 60
    assert not any(word in reading.persona for reading in last for word in ("dreadful", "abysmal", "atrocious"))


def test_every_other_reading_is_of_a_rarer_verdict_so_far_whatever_comes_after_it() -> None:
    usual = [user_in(REEFS, f"u{n}", [[5.0] * 4] * 3) for n in range(29)]
    surprised = user_in(REEFS, "surprised", [[5.0] * 4, [5.0] * 4, [1.0] * 4])
    seldom = user_in(REEFS, "seldom", [[1.0] * 4] * 3)
    readings = training_readings([*usual, surprised, seldom], {}, 600, seed=1)[0]
    count = Counter(reading.user for reading in readings)
    assert count["seldom"] / len(readings) == pytest.approx((1 / 31 + 1 / 2) / 2, abs=0.03)
    assert count["surprised"] < 3 * count["u0"]


def test_ratings_that_mean_none_are_left_out() -> None:
    half = user_in(COVES, "half", [[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    readings, _ = training_readings([half], {}, 8, seed=1)
    assert {reading.ratings for reading in readings} == {(4.0,)}
    assert {reading.titles for reading in readings} == {("Silent coves 1 1",)}
    with pytest.raises(UserError, match="no train user has a rated window"):
        training_readings([user_in(COVES, "none", [[3.0], [0.0]])], {}, 8, seed=1)


def famous_coves() -> list[UserWindows]:
    """Users who rate one cove that all others rate, too."""

    def fan(user: str, liked: float) -> UserWindows:
        rated = [[("Famous cove", liked), (f"Cove of {user}", 3.0)], [("Famous cove", liked), (f"Isle of {user}", 3.0)]]
        windows = [
            [{"item": t, "title": t, "categories": [], "rating": r, "time": None} for t, r in window]
            for window in rated
        ]
        return UserWindows(COVES, user, windows)

    return [fan(f"u{n}", 4.0 + n % 2) for n in range(20)]


def test_what_is_usual_knows_the_items_that_others_like_where_the_prompt_does() -> None:
    readings = draw_readings(famous_coves(), {}, 120, 1, fit_expected_ratings, item_knowledge=True)[0]
    expected: dict[tuple[bool, bool], list[float]] = {}
    for reading in readings:
        assert reading.expected is not None
        for title, shares in zip(reading.titles, reading.expected, strict=True):
            case = (reading.standings is not None, title == "Famous cove")
            expected.setdefault(case, []).append(float(shares @ COVES.scale.values))
    assert min(expected[True, True]) > max(expected[True, False])
    assert np.mean(expected[False, True]) == pytest.approx(np.mean(expected[False, False]), abs=0.1)


class Teacher(ExpectedRatings):
    """A teacher that keeps what it was asked."""

    def predict(self, known: Facts, items: Floats, stated: FactSet = "all") -> Floats:
        ASKED.append((known, items, stated))
        return np.full((len(items), len(self.scale.values)), 1 / len(ASKED))


ASKED: list[tuple[Facts, Floats, FactSet]] = []


@pytest.mark.parametrize("item_knowledge", [True, False])
def test_the_target_is_the_teachers_who_is_given_what_the_prompt_says(item_knowledge: bool) -> None:
    fitted: list[Sequence[RatedItems]] = []

    def fit(rated: Sequence[RatedItems], scale: Scale) -> ExpectedRatings:
        fitted.append(rated)
        return Teacher(scale, {})

    users = famous_coves()
    ASKED.clear()
    readings = draw_readings(users, {}, 80, 1, fit, item_knowledge=item_knowledge)[0]
    # One teacher for prompts with item knowledge, one for those without.
    assert len(fitted) == (2 if item_knowledge else 1) and {len(rated) for rated in fitted} == {len(users)}
    assert any(rated[0].items[:, :2].any() for rated in fitted) == item_knowledge
    assert any(not rated[0].items[:, :2].any() for rated in fitted)
    standings = standings_of(users)["coves"]
    for count, (reading, (known, items, stated)) in enumerate(zip(readings, ASKED, strict=True), 1):
        assert reading.expected is not None and (reading.expected == 1 / count).all(), "no rating is mixed in"
        assert stated == {"describer": "all", "level_only": "median", "unknown": "nothing"}[reading.kind]
        windows = next(user.windows for user in users if user.user == reading.user)
        assert known == facts_after_updates(windows[:1], COVES)
        asked = [{"title": title} for title in reading.titles]
        if reading.standings is None:
            assert np.array_equal(items, features_of_titles(known, asked, COVES))
        else:
            assert np.array_equal(items, standings.features(known, asked, reading.user))


def test_texts_of_policies_are_half_of_the_mix_where_there_are_any() -> None:
    some = users_in(COVES, 4)
    texts = {("coves", "u0", k): (f"Text {k}.", f"Other text {k}.") for k in range(3)}
    readings, _ = training_readings(some, texts, 400, seed=1)
    own = [reading for reading in readings if reading.user == "u0"]
    share = sum(reading.kind == "policy" for reading in own) / len(own)
    assert share == pytest.approx(READINGS.persona_kind_shares["policy"], abs=0.1)
    assert {r.persona for r in own if r.kind == "policy"} == {text for pair in texts.values() for text in pair}
    assert not any(reading.kind == "policy" for reading in readings if reading.user != "u0")


def test_validation_reads_the_describer_and_every_text_of_a_policy() -> None:
    [chosen] = one_prefix_each(users_in(COVES, 1), 1)
    readings = validation_readings([chosen], {("coves", "u0", chosen.k): ("One.", "Two.")}, 1)
    assert [reading.kind for reading in readings] == ["describer", "policy", "policy"]
    expected = [item["rating"] for window in chosen.owner.windows[: chosen.k + 1] for item in window]
    assert {reading.median for reading in readings} == {float(np.median(expected))}
    assert len({reading.titles for reading in readings}) == 1


def test_every_validation_user_has_one_moment_with_a_window_after_it() -> None:
    chosen = one_prefix_each(users_in(COVES, 40), 1)
    assert [prefix.owner.user for prefix in chosen] == [f"u{n}" for n in range(40)]
    assert {prefix.k for prefix in chosen} == {0, 1, 2}
    assert chosen == one_prefix_each(users_in(COVES, 40), 1)
    assert isinstance(chosen[0], WindowPrefix)


def persona_row(**changes: Any) -> dict[str, Any]:
    row = {
        "user": "u0",
        "domain": "coves",
        "k": 0,
        "text": "Warm.",
        "stage": "final",
        "method": "refine",
        "failure": "",
    }
    return {**row, **changes}


def test_controls_failures_and_short_term_personas_are_not_read(tmp_path: Path) -> None:
    rows = [
        persona_row(),
        persona_row(),
        persona_row(text="Cool.", method="initialise"),
        persona_row(method="raw_history", text="History."),
        persona_row(stage="short_term", text="Short."),
        persona_row(failure="the engine gave an empty text", text="Old."),
        persona_row(k=1, text="Later."),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "personas.parquet")
    texts = read_personas([tmp_path / "personas.parquet"])
    assert texts == {("coves", "u0", 0): ["Warm.", "Cool."], ("coves", "u0", 1): ["Later."]}


def test_a_table_without_texts_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": ["u"], "domain": ["coves"]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match="the table lacks k, text"):
        read_personas([tmp_path / "other.parquet"])


def shared_titles(count: int) -> list[UserWindows]:
    """Users who rate the same titles."""
    return [
        UserWindows(COVES, one.user, [[{**item, "title": f"Cove {(n + i) % 5}"} for i, item in enumerate(window)]
                                      for window in one.windows])
        for n, one in enumerate(users_in(COVES, count))
    ]  # fmt: skip


def test_with_item_knowledge_the_others_stand_beside_the_titles() -> None:
    users = shared_titles(8)
    plain = draw_readings(users, {}, 60, 1, fit_expected_ratings)[0]
    known = draw_readings(users, {}, 60, 1, fit_expected_ratings, item_knowledge=True)[0]
    assert {reading.standings for reading in plain} == {None}
    assert [replace(reading, standings=None) for reading in known] == plain, "nothing else changes"
    standings = standings_of(users)["coves"]
    said: set[str] = set()
    told = [reading for reading in known if reading.standings is not None]
    assert len(told) / len(known) == pytest.approx(READINGS.known_items_share, abs=0.15)
    for reading in told:
        assert reading.standings == standings.words([{"title": title} for title in reading.titles], reading.user)
        others = ItemStandings(COVES, [one for one in users if one.user != reading.user])
        assert reading.standings == others.words([{"title": title} for title in reading.titles], "")
        said |= set(reading.standings)
    assert len(said) > 1


def test_validation_readings_say_what_train_users_think() -> None:
    train, validation = shared_titles(8), users_in(REEFS, 2) + shared_titles(1)
    chosen = one_prefix_each(validation, 1)
    texts = {("coves", "u0", prefix.k): ("One.",) for prefix in chosen}
    readings = validation_readings(chosen, texts, 1, standings_of(train))
    assert {reading.standings for reading in readings if reading.domain is REEFS} == {None}, "no train user rates reefs"
    of_coves = [reading for reading in readings if reading.domain is COVES]
    assert [reading.kind for reading in of_coves] == ["describer", "policy"]
    expected = standings_of(train)["coves"].words([{"title": title} for title in of_coves[0].titles], "u0")
    assert {reading.standings for reading in of_coves} == {expected} and any(expected)
    assert {reading.standings for reading in validation_readings(chosen, texts, 1)} == {None}
