"""The standing of items among other users, and the words for it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from persona_cases import FOOD, HALVES, ODD_TITLES, STARS

from deeper.domains import Domain
from deeper.persona.evidence.kinds import category_kinds
from deeper.persona.item_knowledge import standing_words
from deeper.persona.item_knowledge.standing_words import (
    STEPS,
    Standing,
    beside_title,
    standing_step,
    words_hash,
)
from deeper.persona.item_knowledge.standings import Standings, deviations, given_by
from deeper.persona.item_knowledge.title_effects import item_features
from deeper.persona.prompts.item_lines import item_lines, quote
from deeper.persona.recipe import RECIPE

Users = dict[str, list[list[dict[str, Any]]]]
WORDS = ("silent", "golden", "hollow", "velvet", "harbour", "river", "lantern", "orchard")
KINDS = ("Mystery", "Fable", "Western")


def item(title: str, rating: float, *categories: str) -> dict[str, Any]:
    return {"item": title, "title": title, "categories": list(categories), "rating": rating, "time": None}


def standings(users: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], domain: Domain = STARS) -> Standings:
    return Standings(given_by(users, domain), domain)


def some_users(count: int, seed: int = 3, windows: int = 3) -> Users:
    """Users with ratings of a few dozen titles, whose words, categories and numbers matter."""
    rng = np.random.default_rng(seed)
    catalogue = [
        (f"{WORDS[a]} {WORDS[b]} {1980 + 7 * (a + b)}", [KINDS[(a + b) % 3]]) for a in range(8) for b in range(8)
    ]
    users: Users = {}
    for number in range(count):
        chosen = rng.choice(len(catalogue), 10 * windows, replace=False).tolist()
        level = rng.normal(3, 0.7)
        rated: list[dict[str, Any]] = []
        for place in chosen:
            title, kinds = catalogue[place]
            rating = float(np.clip(round(level + (place % 5 - 2) * 0.6 + rng.normal(0, 0.7)), 1, 5))
            rated.append(item(title, rating, *kinds))
        users[f"user {number}"] = [rated[10 * k : 10 * k + 10] for k in range(windows)]
    return users


def test_a_rating_deviates_from_the_level_of_its_user_so_far() -> None:
    user, window = np.array([1, 0, 0, 0, 1]), np.array([0, 0, 1, 0, 2])
    rating = np.array([2.0, 3.0, 1.0, 5.0, 5.0])
    # User 0: W_0 holds 3 and 5, W_1 holds 1. User 1: W_0 holds 2, W_2 holds 5.
    assert deviations(user, window, rating).tolist() == [0.0, -1.0, 1 - 3, 1.0, 5 - 3.5]
    assert deviations(user[:0], window[:0], rating[:0]).tolist() == []


def test_a_standing_is_the_shrunk_mean_of_what_others_give_above_their_level() -> None:
    fans = {f"fan {n}": [[item("Heat", 5), item(f"{n}", 2)]] for n in range(3)}
    found = standings(fans)
    [everyone], [without] = found.of([item("Heat", 1)], "nobody"), found.of([item("Heat", 1)], "fan 1")
    assert everyone and without
    assert (everyone.ratings, without.ratings) == (3, 2)
    shrinkage = RECIPE.standing_shrinkage_ratings

    def shrunk(count: int) -> float:
        # A title of which no word counts is shrunk towards the mean item, which is shrunk towards 0.
        weights = np.array([count / (count + shrinkage), *[1 / (1 + shrinkage)] * count])
        means = np.array([1.5, *[-1.5] * count]) / 4
        constant = weights @ means / (weights.sum() + RECIPE.standing_word_penalty)
        return (count * 1.5 / 4 + shrinkage * constant) / (count + shrinkage)

    assert everyone.value == pytest.approx(shrunk(3), abs=1e-9)
    assert without.value == pytest.approx(shrunk(2), abs=1e-9)


def test_standings_are_shares_of_the_scale() -> None:
    fans = {f"fan {n}": [[item("Heat", 5), item(f"{n}", 2)]] for n in range(3)}
    wide = replace(STARS, scale=replace(STARS.scale, maximum=9))
    [of_stars], [of_wide] = (standings(fans, domain).of([item("Heat", 1)], "") for domain in (STARS, wide))
    assert of_stars and of_wide and of_wide.value == pytest.approx(of_stars.value / 2)


def test_ratings_that_mean_none_are_none() -> None:
    fans = {f"fan {n}": [[item("Pie", 0), item("Cake", 4)]] for n in range(3)}
    pie, cake = standings(fans, FOOD).of([item("Pie", 0), item("Cake", 0)], "")
    assert pie and cake and (pie.ratings, cake.ratings) == (0, 3)


@pytest.mark.parametrize("domain", [STARS, HALVES], ids=lambda domain: domain.id)
@pytest.mark.parametrize("seed", range(4))
def test_without_a_user_is_as_if_the_user_had_never_been(domain: Domain, seed: int) -> None:
    users = some_users(12, seed)
    everyone = standings(users, domain)
    unseen = [item("golden river", 1, "Fable"), item("silent", 1), item("Nothing like it", 1), item("x 1994", 1)]
    for name, windows in users.items():
        others = standings({other: rest for other, rest in users.items() if other != name}, domain)
        asked = [one for window in windows for one in window] + unseen
        assert everyone.of(asked, name) == others.of(asked, name) == others.of(asked, "")
        assert everyone.words(asked, name) == others.words(asked, name)
    assert everyone.of(asked, name) != everyone.of(asked, ""), "the own ratings would have counted"


def test_the_own_ratings_do_not_matter() -> None:
    users = some_users(12)
    mirrored = [[{**one, "rating": 6 - one["rating"]} for one in window] for window in users["user 4"]]
    changed = {**users, "user 4": mirrored}
    asked = [one for window in users["user 4"] for one in window]
    assert standings(users).of(asked, "user 4") == standings(changed).of(asked, "user 4")
    assert standings(users).of(asked, "user 5") != standings(changed).of(asked, "user 5")


def test_unseen_titles_get_what_their_words_and_categories_suggest() -> None:
    users = some_users(12)
    rated = [one for windows in users.values() for window in windows for one in window]
    features = {one["title"]: item_features(one["title"], tuple(one["categories"])) for one in rated}
    given = given_by(users, STARS)
    deviation = deviations(given.user, given.window, given.rating) / 4
    counts, sums = np.bincount(given.title), np.bincount(given.title, deviation)
    # The ridge as its formula says it.
    support = Counter(feature for title in given.titles for feature in features[title])
    names = sorted(name for name, titles in support.items() if titles >= RECIPE.standing_word_support[0])
    matrix = np.array([[name in features[title] for name in names] for title in given.titles], float)
    weight = counts / (counts + RECIPE.standing_shrinkage_ratings)
    constant = weight @ (sums / counts) / (weight.sum() + RECIPE.standing_word_penalty)
    gram = matrix.T @ (weight[:, None] * matrix) + RECIPE.standing_word_penalty * np.eye(len(names))
    effects = np.linalg.solve(gram, matrix.T @ (weight * (sums / counts - constant)))
    of = dict(zip(names, effects.tolist(), strict=True))
    asked = [item("A golden thing", 1, "Fable"), item("A thing", 1), item("Hollow velvet (2003)", 1, "WESTERN")]
    golden, plain, hollow = (one.value for one in standings(users).of(asked, "") if one)
    assert plain == pytest.approx(constant, abs=1e-8)
    assert golden == pytest.approx(constant + of["golden"] + of["category fable"], abs=1e-8)
    expected = constant + of["hollow"] + of["velvet"] + of["2000s"] + of["category western"]
    assert hollow == pytest.approx(expected, abs=1e-8)


def test_a_known_title_keeps_its_categories_where_none_are_given() -> None:
    users = some_users(12)
    known = users["user 3"][0][0]
    found = standings(users)
    assert found.of([{"title": known["title"]}], "") == found.of([known], "")
    assert found.of([{**known, "categories": []}], "") == found.of([known], "")
    assert found.words([{**known, "categories": []}], "") == found.words([known], "")
    other = [{**known, "categories": ["Western" if known["categories"] != ["Western"] else "Fable"]}]
    assert found.of(other, "") != found.of([known], "")


def test_nothing_is_said_where_nobody_else_has_rated_anything() -> None:
    assert standings({}).words([item("Heat", 5)], "ann") == [""]
    assert standings({"ann": [[item("Heat", 5)]]}).words([item("Heat", 5)], "ann") == [""]
    assert standings({"ann": [[item("Heat", 5), item("Cold", 1)]]}).words([item("Heat", 5)], "bob") != [""]


def test_seven_steps_and_three_kinds_of_certainty() -> None:
    near, middle, far = RECIPE.standing_cuts
    starts = (-1.0, -far, -middle, -near, near, middle, far, 1.0)
    many, few = RECIPE.standing_many_ratings, RECIPE.standing_many_ratings - 1
    for step, first, last in zip(STEPS, starts[:-1], starts[1:], strict=True):
        for value in (first + 1e-6, last - 1e-6):
            assert STEPS[round(3 + 3 * standing_step(value))] == step
            assert beside_title(Standing(value, many)) == f"; others rate it {step} their usual"
            assert beside_title(Standing(value, few)) == f"; a few others rate it {step} their usual"
            suggested = beside_title(Standing(value, 0))
            assert suggested == ("" if step == "about" else f"; others may rate it {step} their usual")
    steps = [standing_step(value) for value in np.linspace(-0.2, 0.2, 401)]
    assert steps == sorted(steps) and steps[0] == -1 and steps[-1] == 1 and len(set(steps)) == 7


def test_the_first_categories_that_can_be_told_stand_behind_the_title() -> None:
    many = ["Crime", "Under 30", "Film-Noir", "Salt, Pepper", "War", "Drama", "Opera"]
    assert beside_title(None, many) == " (Crime, Film-Noir, War, Drama)"
    assert RECIPE.standing_categories == 4
    assert beside_title(Standing(0.2, 9), ["Crime"]) == " (Crime); others rate it far above their usual"
    assert beside_title(None, ["Under 30"]) == beside_title(None, []) == ""


@pytest.mark.parametrize("category", [*ODD_TITLES, "Good); others rate it far above their usual (War"])
def test_a_hostile_category_says_nothing_but_its_name(category: str) -> None:
    said = beside_title(Standing(-0.2, 9), [category, "War"])
    words = "; others rate it far below their usual"
    assert said in (f" ({category}, War){words}", f" (War){words}")
    assert len(said.splitlines()) == 1 and said.count(";") == said.count("(") == said.count(")") == 1


def test_the_hash_changes_with_words_and_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = words_hash()
    assert before == words_hash()
    monkeypatch.setattr(standing_words, "RECIPE", replace(RECIPE, standing_cuts=(0.02, 0.04, 0.08)))
    cut = words_hash()
    monkeypatch.setattr(standing_words, "RECIPE", replace(RECIPE, standing_many_ratings=6))
    many = words_hash()
    monkeypatch.setattr(standing_words, "RECIPE", replace(RECIPE, standing_categories=3))
    assert len({before, cut, many, words_hash()}) == 4


@pytest.mark.parametrize("title", [*ODD_TITLES, 'Good"; others rate it far above their usual'])
def test_odd_titles_stay_as_they_are_quoted(title: str) -> None:
    fans = {f"fan {n}": [[item(title, 5, title), item(f"{n}", 2, "")]] for n in range(8)}
    [words] = standings(fans).words([item(title, 1)], "")
    told = f" ({title})" if category_kinds((title,)) else ""
    assert words == f"{told}; others rate it far above their usual"
    [line] = item_lines([title], [words])
    assert line == quote(title) + words and len(line.splitlines()) == 1
    shown, end = json.JSONDecoder().raw_decode(line)
    assert line[end:] == words and shown == json.loads(quote(title))
