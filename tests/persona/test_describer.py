import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pytest

from deeper.domains import Domain, Scale
from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import verdict_rungs, verdict_words
from deeper.persona.describer import describe as describer
from deeper.persona.describer import phrases
from deeper.persona.describer.describe import level_only
from deeper.persona.evidence.facts import Facts, Window, facts_of
from deeper.persona.leaks import find_leaks

STARS = Domain("stars", "Stars", "stone", Scale(1, 5, 1), unrated=(0,))
HALVES = Domain("halves", "Halves", "film or play", Scale(0.5, 5, 0.5))
TENS = Domain("tens", "Tens", "fashion item", Scale(1, 10, 1))
THUMBS = Domain("thumbs", "Thumbs", "song", Scale(0, 1, 1))
DOMAINS = (STARS, HALVES, TENS, THUMBS)
WORDS = (
    "Moss",
    "Brook",
    "Hollow",
    "Ferry",
    "Best",
    "Perfect",
    "Five",
    "Stars",
    "Ten",
    "Good",
    "Usual",
    "Verdict",
    "Kiln",
)

FACTS = {
    "spread": phrases.SPREAD,
    "lean": phrases.LEAN,
    "often best": (phrases.BEST,),
    "often worst": (phrases.WORST,),
    "pleasing": (phrases.PLEASING,),
    "disappointing": (phrases.DISAPPOINTING,),
    "drift": (phrases.RISING, phrases.FALLING, phrases.STEADY),
}
FORMS = [form for levels in FACTS.values() for form in chain(*levels)]


def describe(windows: Sequence[Window], domain: Domain, **how: Any) -> str:
    return describer.describe(facts_of(windows, domain), windows, domain, **how)


def window(ratings: Sequence[float], titles: Sequence[str] = ()) -> Window:
    names = titles or [f"Thing {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    return [
        {"item": name, "title": name, "categories": [], "rating": rating, "time": None}
        for name, rating in zip(names, ratings, strict=False)
    ]


def people(domain: Domain, count: int) -> list[list[Window]]:
    """Users of one to five windows, with titles that tempt: years, numbers, words of praise, short names."""
    rng = random.Random(7)
    values = [*domain.scale.values.tolist(), *domain.unrated]
    users = []
    for _ in range(count):
        own = rng.choices(values, k=3)
        windows = []
        for _ in range(rng.randint(1, 5)):
            titles = [" ".join(rng.choices(WORDS, k=rng.randint(1, 3))) for _ in range(10)]
            titles = [f"{title} ({rng.randint(1950, 2020)})" if rng.random() < 0.5 else title for title in titles]
            windows.append(window(rng.choices(own, k=10), titles))
        users.append(windows)
    return users


def verdict_in(text: str) -> tuple[int, int]:
    """The rungs whose words stand in a text; it fails if there is none or if there are more than two."""
    found = sorted(
        number for number, words in enumerate(LEVEL_WORDS) for word in words if re.search(rf"(?i)\b{word}\b(?!-)", text)
    )
    assert 1 <= len(found) <= 2, text
    return found[0], found[-1]


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.id)
def test_no_persona_holds_a_title_a_digit_or_a_rating_and_all_hold_the_verdict(domain: Domain) -> None:
    for number, windows in enumerate(people(domain, 80)):
        text = describe(windows, domain, seed=number)
        assert find_leaks(text, [item["title"] for some in windows for item in some]) == []
        assert not re.search(r"\d", text)
        assert len(text.split()) <= 70
        assert "{" not in text
        if (known := facts_of(windows, domain)).count:
            assert verdict_in(text) == verdict_rungs(known.median, domain.scale)


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.id)
def test_every_half_step_can_be_read_back_from_its_sentence(domain: Domain) -> None:
    scale = domain.scale
    for half in range(2 * len(scale.values) - 1):
        known = Facts(10, scale.minimum + half * scale.step / 2)
        texts = {level_only(known, domain, seed=seed) for seed in range(80)}
        assert len(texts) > 15
        assert {verdict_in(text) for text in texts} == {verdict_rungs(known.median, scale)}
        assert all(text.count(".") == 1 for text in texts)


@pytest.mark.parametrize("median", [4.0, 3.5])
def test_a_level_is_often_said_as_the_prompts_say_it_and_not_always(median: float) -> None:
    texts = [level_only(Facts(10, median), STARS, seed=seed).lower() for seed in range(300)]
    alike = sum(verdict_words(median, STARS.scale) in text for text in texts) / len(texts)
    expected = 4 / 6 if median == 4 else 4 / 7 * (4 / 6) ** 2
    assert alike == pytest.approx(expected, abs=0.1)


def test_each_fact_has_many_forms_and_each_level_its_own() -> None:
    assert len(phrases.VERDICT) >= 8
    assert all(len(forms) >= 5 for levels in FACTS.values() for forms in levels)
    assert len(set(FORMS)) == len(FORMS)
    assert len(set(chain(*phrases.OFTEN))) == sum(map(len, phrases.OFTEN))
    assert not find_leaks(" ".join([*FORMS, *phrases.VERDICT, *phrases.BETWEEN, *phrases.KINDS, *phrases.UNKNOWN]), [])


def test_words_of_a_verdict_stand_in_no_other_phrasing() -> None:
    every = [*FORMS, *phrases.VERDICT, *phrases.BETWEEN, *phrases.KINDS, *phrases.UNKNOWN, *chain(*phrases.OFTEN)]
    assert not set(re.findall(r"[\w-]+", " ".join(every).lower())) & set(chain(*LEVEL_WORDS))


def test_words_of_how_often_stand_in_no_other_phrasing() -> None:
    rest = " ".join([form.lower().replace("{often}", "") for form in [*FORMS, *phrases.VERDICT]])
    assert not [word for word in chain(*phrases.OFTEN) if re.search(rf"\b{word}\b", rest)]


@pytest.mark.parametrize(
    ("earlier", "last", "told", "untold"),
    [
        ([2, 3, 2, 3, 2], [5, 4, 5, 5, 5], phrases.RISING, phrases.FALLING + phrases.STEADY),
        ([5, 4, 5, 5, 5], [2, 3, 2, 3, 2], phrases.FALLING, phrases.RISING + phrases.STEADY),
        ([4, 5, 4, 5, 4], [4, 5, 4, 5, 5], phrases.STEADY, phrases.RISING + phrases.FALLING),
        ([0, 0, 0, 0, 0], [4, 5, 4, 5, 5], (), phrases.STEADY + phrases.RISING + phrases.FALLING),
    ],
)
def test_the_change_is_told_as_it_is(
    earlier: list[float], last: list[float], told: Sequence[str], untold: Sequence[str]
) -> None:
    texts = " ".join(describe([window(earlier), window(last)], STARS, seed=seed) for seed in range(60))
    assert all(form.format(items="stones") in texts for form in told)
    assert not [form for form in untold if form.format(items="stones") in texts]


def begins(forms: Sequence[str]) -> tuple[str, ...]:
    return tuple(form.split("{kinds}")[0] for form in forms)


def test_kinds_are_told_on_their_side_and_eras_before_words() -> None:
    liked = {f"{word} (1951)": 5.0 for word in ("Brook Inn", "Brook Mill", "Brook Weir", "Lamp", "Hollow", "Ferry")}
    disliked = {f"{word} (2005)": 1.0 for word in ("Kiln", "Gravel", "Marl", "Slate")}
    titles = liked | disliked
    texts = [describe([window([*titles.values()], [*titles])], HALVES, seed=seed) for seed in range(60)]
    sentences = [sentence + "." for text in texts for sentence in text.removesuffix(".").split(". ")]
    warm = [sentence for sentence in sentences if "old films" in sentence]
    cold = [sentence for sentence in sentences if "newer films" in sentence]
    assert warm
    assert cold
    assert all(sentence.startswith(begins(phrases.PLEASING)) for sentence in warm)
    assert all(sentence.startswith(begins(phrases.DISAPPOINTING)) for sentence in cold)
    assert any(re.search("old films or plays as well as .*brook", sentence) for sentence in warm)


def test_a_kind_or_a_phrasing_that_is_a_title_is_not_told() -> None:
    titles = ["Brookwater", "Brookwater Mill", "Brookwater Well", "Departures", "Exceptions", "The Usual Verdict"]
    windows = [window([5, 5, 5, 1, 1, 2], titles)]
    assert "brookwater" in facts_of(windows, STARS).pleasing
    texts = [describe(windows, STARS, seed=seed) for seed in range(80)]
    assert [find_leaks(text, titles) for text in texts] == [[]] * len(texts)
    assert any(text.split(".")[1].strip() for text in texts)


def test_a_user_without_ratings_is_unknown() -> None:
    texts = {describe([window([0, 0, 0])], STARS, seed=seed) for seed in range(30)}
    assert texts == {form.format(item="stone", items="stones") for form in phrases.UNKNOWN}
    assert texts == {describe([], STARS, seed=seed) for seed in range(30)}


@pytest.mark.parametrize("most", [1, 15, 30])
def test_few_words_leave_the_verdict(most: int) -> None:
    windows = people(STARS, 30)
    for number, user in enumerate(windows):
        if facts_of(user, STARS).count:
            text = describe(user, STARS, seed=number, max_words=most)
            verdict_in(text)
            assert len(text.split()) <= most or text.count(".") == 1


def test_orders_vary_and_the_verdict_comes_first_for_most() -> None:
    user = [window([3, 4, 5, 5, 4]), window([4, 4, 2, 5, 5])]
    texts = [describe(user, STARS, seed=seed) for seed in range(200)]
    first = sum(
        bool(set(re.findall(r"[\w-]+", text.split(". ")[0].lower())) & set(chain(*LEVEL_WORDS))) for text in texts
    )
    assert 150 < first < 195
    assert len(set(texts)) > 190


def test_in_order_the_verdict_is_first_and_each_fact_has_its_place() -> None:
    places: dict[str, set[int]] = {"spread": set(), "lean": set()}
    for user in people(STARS, 40):
        for seed in range(5):
            first, *others = describe(user, STARS, seed=seed, in_order=True).split(". ")
            if not facts_of(user, STARS).count:
                continue
            assert set(re.findall(r"[\w-]+", first.lower())) & set(chain(*LEVEL_WORDS))
            for at, sentence in enumerate(others):
                for fact in places:
                    forms = {form.format(item="stone", items="stones").rstrip(".") for form in chain(*FACTS[fact])}
                    places[fact] |= {at} if sentence.rstrip(".") in forms else set()
    # Spread comes at once behind the verdict; lean at once behind it, or in its place where it is not told.
    assert places == {"spread": {0}, "lean": {0, 1}}


def test_users_with_one_seed_differ_in_form() -> None:
    texts = [describe([window([5] * count)], STARS, seed=0) for count in range(2, 22)]
    assert len(set(texts)) > 10


def test_equal_arguments_give_equal_texts_in_another_process() -> None:
    here = [describe(user, HALVES, seed=3) for user in people(HALVES, 5)]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_describer as t; "
        "print('\\n'.join(t.describe(user, t.HALVES, seed=3) for user in t.people(t.HALVES, 5)))"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__)],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.splitlines() == here
