"""How far kinds lie above or below the rest, against the same model computed by brute force."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from persona_cases import HALVES, STARS, items, sorted_items

from deeper.persona.evidence import kind_effects as module
from deeper.persona.evidence.facts import facts_of
from deeper.persona.evidence.kind_effects import KindEffect, kind_effects, log_evidence
from deeper.persona.evidence.recipe import EVIDENCE

Item = dict[str, Any]


def effects_of(window: Sequence[Item]) -> dict[str, KindEffect]:
    values = np.array([item["rating"] for item in window], np.float64)
    return {one.name: one for one in kind_effects(window, values, STARS)}


def tagged(*categories: Sequence[str], ratings: Sequence[float]) -> list[Item]:
    window = items([f"title {i}" for i in range(len(ratings))], ratings)
    return [{**item, "categories": list(kinds)} for item, kinds in zip(window, categories, strict=True)]


OVERLAPPING = tagged(
    ["Crime", "Drama"], ["Crime"], ["Crime", "War"], ["Drama"], ["Drama", "War"], [], [], ["War"],
    ratings=[5, 5, 4, 3, 2, 3, 4, 1],
)  # fmt: skip


def brute_force(window: Sequence[Item], names: Sequence[str], weights: Sequence[float]) -> tuple[Any, Any, Any]:
    """Posterior mean and sign of the effects, and the evidence of each deviation, from the dense model.

    The level is a column with a prior of nearly infinite width; σ is summed over a fine grid.
    """
    y = np.array([item["rating"] for item in window], np.float64)
    has = np.array([[name in item["categories"] for name in names] for item in window], np.float64)
    span, n = STARS.scale.maximum - STARS.scale.minimum, len(y)
    grid = np.exp(np.linspace(np.log(0.02), np.log(20), 4000))
    variance, freedom = grid**2, EVIDENCE.noise_weight
    # Scaled inverse chi-squared in σ², with the Jacobian of a grid in log σ.
    prior = -(freedom / 2) * np.log(variance) - freedom * (EVIDENCE.noise * span) ** 2 / (2 * variance)
    evidence, means, above = [], [], []
    for ratio in EVIDENCE.kind_deviations:
        covariance = np.eye(n) + ratio**2 * has @ has.T + 1e7 * np.ones((n, n))
        inverse = np.linalg.inv(covariance)
        quadratic = y @ inverse @ y
        likelihood = -0.5 * np.linalg.slogdet(covariance)[1] - n / 2 * np.log(variance) - quadratic / (2 * variance)
        # The flat level stands for a prior on σ times infinity, which takes one power of σ away.
        density = np.exp(prior + likelihood + 0.5 * np.log(variance) - (prior + likelihood).max())
        evidence.append(np.log(density.sum()) + (prior + likelihood).max())
        mean = ratio**2 * has.T @ inverse @ y
        spread = np.sqrt(np.diag(ratio**2 * np.eye(len(names)) - ratio**4 * has.T @ inverse @ has))
        z = mean[:, None] / (spread[:, None] * grid)
        share = density / density.sum()
        above.append((np.vectorize(lambda v: 0.5 * (1 + module.erf(v / 2**0.5)))(z) * share).sum(axis=1))
        means.append(mean)
    evidence = np.array(evidence)
    shares = np.array(weights) * np.exp(evidence - evidence.max())
    shares /= shares.sum()
    return shares @ np.array(means), shares @ np.array(above), evidence


def test_effects_are_those_of_the_model_computed_by_brute_force() -> None:
    names = ["Crime", "Drama", "War"]
    mean, above, evidence = brute_force(OVERLAPPING, names, EVIDENCE.category_weights)
    found = effects_of(OVERLAPPING)
    for name, effect, chance in zip(names, mean, above, strict=True):
        assert found[name].effect == pytest.approx(effect, abs=1e-4)
        # The sign takes a normal distribution for Student's t.
        assert found[name].sure == pytest.approx(max(chance, 1 - chance), abs=0.01)
    ratings = np.array([item["rating"] for item in OVERLAPPING], np.float64)
    told = log_evidence(OVERLAPPING, ratings, STARS)
    assert told and told[1]
    np.testing.assert_allclose(np.diff(told[0]), np.diff(evidence), atol=1e-4)


def test_the_level_alone_changes_nothing() -> None:
    higher = [{**item, "rating": item["rating"] + 1.5} for item in OVERLAPPING]
    for name, effect in effects_of(OVERLAPPING).items():
        assert effects_of(higher)[name].effect == pytest.approx(effect.effect)
        assert effects_of(higher)[name].sure == pytest.approx(effect.sure)


def test_certainty_grows_with_titles_and_with_strength() -> None:
    by_count = [
        effects_of(sorted_items(("Crime", [5] * count), ("War", [3] * count)))["Crime"].sure for count in (2, 4, 8)
    ]
    assert by_count == sorted(by_count) and len(set(by_count)) == 3
    by_strength = [effects_of(sorted_items(("Crime", [v] * 4), ("War", [3] * 4)))["Crime"].sure for v in (3.5, 4, 5)]
    assert by_strength == sorted(by_strength) and len(set(by_strength)) == 3
    equal = effects_of(sorted_items(("Crime", [4] * 4), ("War", [4] * 4)))["Crime"]
    assert (equal.effect, equal.sure) == (0.0, pytest.approx(0.5))


def test_a_user_with_strong_tastes_is_believed_sooner() -> None:
    asked = ("Crime", [4, 4]), ("", [3, 3, 3])
    strong = effects_of(sorted_items(("War", [5, 5, 5, 5]), ("Musical", [1, 1, 1, 1]), *asked))
    plain = effects_of(sorted_items(("War", [3, 4, 3, 3]), ("Musical", [3, 4, 3, 2]), *asked))
    shrunk = [found["Crime"].effect / (4 - np.mean([3.0] * 3)) for found in (strong, plain)]
    assert shrunk[0] > 1.3 * shrunk[1]


def test_kinds_of_the_same_items_are_one_under_the_longest_name() -> None:
    window = tagged(["War", "Battle"], ["War", "Battle"], ["Crime"], ["Crime"], ratings=[5, 5, 1, 1])
    assert set(effects_of(window)) == {"Battle", "Crime"}


def test_a_kind_needs_distinct_titles_and_some_items_outside_it() -> None:
    once = sorted_items(("Crime", [5]), ("War", [1, 1]))
    assert set(effects_of(once)) == {"War"}
    repeated = [{**item, "title": "the same"} for item in sorted_items(("Crime", [5, 5, 5]))]
    assert set(effects_of([*repeated, *sorted_items(("War", [1, 1]))])) == {"War"}
    assert effects_of(sorted_items(("Crime", [5, 4, 3]))) == {}, "it is the rest, too"
    assert effects_of([]) == {}
    assert log_evidence(once[:1], np.array([5.0]), STARS) is None


def test_titles_and_members_are_those_of_the_kind() -> None:
    found = effects_of(OVERLAPPING)
    assert (found["Crime"].titles, found["Crime"].members) == (3, frozenset({0, 1, 2}))
    assert found["War"].members == {2, 4, 7}


def test_words_of_titles_have_weights_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    window = items(["Mossy One", "Mossy Hill", "Mossy Kiln", "Slate", "Marl", "Gneiss"], [5, 5, 5, 2, 2, 2])
    by_word = effects_of(window)["mossy"]
    tag = [{**item, "categories": ["Mossy"] if "Mossy" in item["title"] else []} for item in window]
    assert effects_of(tag)["Mossy"].effect != by_word.effect
    monkeypatch.setattr(module, "EVIDENCE", replace(EVIDENCE, word_weights=EVIDENCE.category_weights))
    assert effects_of(window)["mossy"].effect == pytest.approx(effects_of(tag)["Mossy"].effect)


def test_ratings_that_mean_none_are_no_evidence() -> None:
    domain = replace(STARS, unrated=(0.0,))
    window = sorted_items(("Crime", [5, 5, 5, 5]), ("War", [1, 1, 1, 1]), ("Musical", [0, 0, 0]))
    assert [one.name for one in facts_of([window], domain).kinds] == ["Crime", "War"]
    assert facts_of([window], domain) == facts_of([window[:8]], domain)


def test_the_surest_come_first_and_equal_ones_by_name() -> None:
    window = sorted_items(("War", [5, 5, 5]), ("Crime", [5, 5, 5]), ("Musical", [4, 3]), ("", [3, 1, 2]))
    found = list(effects_of(window).values())
    assert [one.name for one in found] == ["Crime", "War", "Musical"]
    assert found[0].sure == pytest.approx(found[1].sure) and found[1].sure > found[2].sure


def test_the_order_of_items_changes_nothing_but_positions() -> None:
    order = [3, 0, 7, 5, 1, 6, 2, 4]
    turned = effects_of([OVERLAPPING[at] for at in order])
    for name, effect in effects_of(OVERLAPPING).items():
        assert turned[name].effect == pytest.approx(effect.effect, abs=1e-9)
        assert turned[name].sure == pytest.approx(effect.sure, abs=1e-9)
        assert {order[at] for at in turned[name].members} == effect.members
    assert list(turned) == list(effects_of(OVERLAPPING))
    assert effects_of(OVERLAPPING) == effects_of(OVERLAPPING)


def test_effects_are_in_units_of_the_rating() -> None:
    window = sorted_items(("Crime", [5, 5, 4]), ("War", [1, 2, 1]))
    values = np.array([item["rating"] for item in window], np.float64)
    wide = replace(HALVES, scale=replace(HALVES.scale, minimum=2.0, maximum=10.0, step=1.0))
    of_stars, of_wide = (kind_effects(window, *asked) for asked in ((values, STARS), (2 * values, wide)))
    for one, twice in zip(of_stars, of_wide, strict=True):
        assert twice.effect == pytest.approx(2 * one.effect) and twice.sure == pytest.approx(one.sure)
