"""Users with stronger tastes than real ones."""

from copy import deepcopy
from random import Random

import numpy as np
from training_cases import COVES, REEFS, user_in

from deeper.learning.examples.recipe import LESSONS
from deeper.learning.examples.strong_tastes import MADE_KINDS, with_strong_taste
from deeper.persona.evidence.facts import CLEAR, facts_of
from deeper.persona.evidence.kinds import category_kinds
from deeper.persona.leaks import find_leaks

SPAN = REEFS.scale.maximum - REEFS.scale.minimum
FLAT = user_in(REEFS, "u", [[3.0] * 10 for _ in range(4)]).windows


def test_every_made_up_kind_can_be_told() -> None:
    assert len(set(MADE_KINDS)) == len(MADE_KINDS) > 100
    assert [*category_kinds(MADE_KINDS).values()] == [*MADE_KINDS]
    assert not find_leaks(", ".join(MADE_KINDS), [])


def test_items_without_categories_get_some_of_a_few() -> None:
    pools: set[int] = set()
    for seed in range(30):
        items = [item for window in with_strong_taste(FLAT, REEFS, Random(seed)) for item in window]
        pool = {name for item in items for name in item["categories"]}
        assert pool <= set(MADE_KINDS)
        assert {len(item["categories"]) for item in items} == {1, 2}
        pools.add(len(pool))
    assert min(pools) == LESSONS.made_kinds[0] and max(pools) == LESSONS.made_kinds[1]


def test_some_kinds_are_rated_higher_or_lower_by_the_same_amount_each() -> None:
    counts: set[int] = set()
    least, most = (share * SPAN for share in LESSONS.strong_effects)
    for seed in range(40):
        items = [item for window in with_strong_taste(FLAT, REEFS, Random(seed)) for item in window]
        single = [(item["categories"][0], item["rating"] - 3.0) for item in items if len(item["categories"]) == 1]
        moves = {name: {move for other, move in single if other == name} for name, _ in single}
        assert all(len(found) == 1 for found in moves.values()), "one kind, one move"
        moved = [abs(found.pop()) for found in moves.values()]
        strong = [move for move in moved if move]
        assert all(least - 0.25 <= move <= most + 0.25 for move in strong)
        counts.add(len(strong))
    assert len(counts) > 2 and max(counts) <= LESSONS.strong_kinds[1]


def test_real_categories_stay() -> None:
    tagged = [[{**item, "categories": [f"Kind {'abcd'[i % 4]}"]} for i, item in enumerate(w)] for w in FLAT]
    found = with_strong_taste(tagged, REEFS, Random(1))
    assert [[item["categories"] for item in w] for w in found] == [[item["categories"] for item in w] for w in tagged]
    assert len({item["rating"] for window in found for item in window}) > 1


def test_only_ratings_and_missing_categories_change_and_the_input_stays() -> None:
    windows = user_in(COVES, "u", [[0.0, 5.0, 1.0, 4.0, 0.0, 2.0, 3.0, 5.0, 1.0, 3.0]] * 3).windows
    before = deepcopy(windows)
    for seed in range(20):
        found = with_strong_taste(windows, COVES, Random(seed))
        assert windows == before
        for old, new in zip((i for w in windows for i in w), (i for w in found for i in w), strict=True):
            assert {**new, "rating": 0, "categories": 0} == {**old, "rating": 0, "categories": 0}
            assert (new["rating"] == 0) == (old["rating"] == 0), "no rating stays no rating"
            assert new["rating"] == 0 or new["rating"] in COVES.scale.values


def test_equal_random_numbers_give_equal_users() -> None:
    assert with_strong_taste(FLAT, REEFS, Random(3)) == with_strong_taste(FLAT, REEFS, Random(3))
    assert with_strong_taste(FLAT, REEFS, Random(3)) != with_strong_taste(FLAT, REEFS, Random(4))


def test_their_tastes_show_after_ten_ratings() -> None:
    def clear(strong: bool) -> int:
        rng, found = np.random.default_rng(1), 0
        for seed in range(60):
            ratings = REEFS.scale.round(rng.normal(3.5, 0.8, 10)).tolist()
            window = user_in(REEFS, "u", [ratings]).windows[0]
            kinds = [MADE_KINDS[at] for at in rng.integers(0, 5, 10).tolist()]
            tagged = [{**item, "categories": [kind]} for item, kind in zip(window, kinds, strict=True)]
            shown = with_strong_taste([tagged], REEFS, Random(seed)) if strong else [tagged]
            found += any(abs(one.strength) == CLEAR for one in facts_of(shown, REEFS).kinds)
        return found

    assert clear(strong=True) > 3 * clear(strong=False)
