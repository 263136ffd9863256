"""Evidence in the writers' prompts: what `--evidence` changes, and what it leaves alone."""

from collections.abc import Sequence
from typing import Any

import pytest
from persona_cases import FOOD, ODD_TITLES, STARS, items, sorted_items

from deeper.engine import Prompt
from deeper.persona.evidence.lines import error_lines, evidence_lines
from deeper.persona.prompts.item_lines import discrepancy_lines, rating_lines
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.persona.update_input import UpdateInput, initial_prompt
from deeper.persona.updaters import UPDATERS

TASTE = sorted_items(("Crime", [5] * 5), ("", [3] * 3), ("Opera", [1] * 5))
OTHER = sorted_items(("War", [4] * 5), ("", [3] * 3), ("Crime", [2] * 5))
PREDICTED = [3.0] * len(TASTE)
EVIDENCE_WORDS = ("the rest:", "predicted too", "verdicts vary", "verdicts hardly", "this person is new", "known")


@pytest.fixture(scope="module")
def none() -> Prompts:
    return load_prompts()


@pytest.fixture(scope="module")
def kinds() -> Prompts:
    return load_prompts(evidence="kinds")


def seen(windows: Sequence[Sequence[dict[str, Any]]], predicted: Sequence[float] | None = PREDICTED) -> UpdateInput:
    return UpdateInput(STARS, "Fond of granite.", windows, predicted, "Lately drawn to slate.", 120)


def test_below_the_items_stands_what_they_show(kinds: Prompts) -> None:
    lines = kinds.ratings([OTHER, TASTE], STARS, 2).splitlines()
    shown = rating_lines([*OTHER, *TASTE], STARS).splitlines()
    assert lines == [*shown, *evidence_lines([OTHER, TASTE], STARS, 2)] and len(lines) > len(shown) + 1
    wrong = kinds.discrepancies(TASTE, PREDICTED, STARS, 2).splitlines()
    shown = discrepancy_lines(TASTE, PREDICTED, STARS).splitlines()
    assert wrong == [*shown, *error_lines(TASTE, PREDICTED, STARS, 2)] and len(wrong) > len(shown) + 1


def test_without_evidence_the_prompts_are_those_of_the_paper_byte_for_byte(none: Prompts) -> None:
    assert none.ratings([OTHER, TASTE], STARS, 5) == rating_lines([*OTHER, *TASTE], STARS)
    for predicted in (PREDICTED, None):
        assert none.discrepancies(TASTE, predicted, STARS, 5) == discrepancy_lines(TASTE, predicted, STARS)
    for name, update in UPDATERS.items():
        prompt = update(none, seen([OTHER, TASTE]))
        assert not [word for word in EVIDENCE_WORDS[:4] if word in prompt.user], name
    plain = [{key: value for key, value in item.items() if key != "categories"} for item in TASTE]
    assert initial_prompt(none, STARS, [plain], 120) == initial_prompt(none, STARS, [TASTE], 120)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("refine", error_lines(TASTE, PREDICTED, STARS, 2)),
        ("incremental_update", evidence_lines([TASTE], STARS, 2)),
        ("full_regeneration", evidence_lines([OTHER, TASTE], STARS, 2)),
        # It knows of one window only.
        ("slide_regeneration", evidence_lines([TASTE], STARS, 1)),
        ("hierarchical_merge", []),
    ],
)
def test_each_updater_is_told_what_its_own_windows_show(
    none: Prompts, kinds: Prompts, name: str, lines: list[str]
) -> None:
    before, after = (UPDATERS[name](prompts, seen([OTHER, TASTE])) for prompts in (none, kinds))
    old, new = before.user.splitlines(), after.user.splitlines()
    assert before.system == after.system
    assert [line for line in new if line not in lines] == old
    assert [line for line in new if line in lines] == lines


def test_a_refinement_without_predictions_is_told_the_ratings(kinds: Prompts) -> None:
    prompt = UPDATERS["refine"](kinds, seen([OTHER, TASTE], None))
    assert all(line in prompt.user.splitlines() for line in evidence_lines([TASTE], STARS, 2))


def test_a_window_without_ratings_shows_nothing(none: Prompts, kinds: Prompts) -> None:
    unrated = items(["a", "b"], [0, 0])
    assert kinds.ratings([unrated], FOOD, 1) == none.ratings([unrated], FOOD, 1)
    assert kinds.discrepancies(unrated, [3, 3], FOOD, 1) == none.discrepancies(unrated, [3, 3], FOOD, 1)


def test_templates_that_show_items_have_other_hashes_with_evidence(none: Prompts, kinds: Prompts) -> None:
    changed = {name for name, digest in none.hashes.items() if kinds.hashes[name] != digest}
    assert changed == {"initialise", "refine", "incremental_update"}
    assert none.version != kinds.version
    assert none.hashes_for("predictor") == kinds.hashes_for("predictor")
    assert none.templates == kinds.templates


def upper(words: Any) -> Any:
    return words.upper() if isinstance(words, str) else tuple(map(str.upper, words))


@pytest.mark.parametrize("change", ["SIDES", "OFTEN", "SPREAD", "KNOWN", "SURE", "COUNTS"])
def test_the_words_of_evidence_are_in_the_hashes(
    none: Prompts, kinds: Prompts, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deeper.persona.evidence import lines

    words = getattr(lines, change)
    other = {key: upper(value) for key, value in words.items()} if isinstance(words, dict) else upper(words)
    monkeypatch.setattr(lines, change, other)
    assert load_prompts(evidence="kinds").hashes["refine"] != kinds.hashes["refine"]
    assert load_prompts().hashes == none.hashes


@pytest.mark.parametrize("title", ODD_TITLES)
@pytest.mark.parametrize("name", ["initialise", "refine"])
def test_hostile_titles_and_categories_change_the_lines_of_their_items_alone(
    kinds: Prompts, name: str, title: str
) -> None:
    def asked(category: str) -> Prompt:
        sorted_by = sorted_items((category, [5] * 5), ("Opera", [1] * 5))
        window = [{**item, "title": f"{category} {item['title']}"} for item in sorted_by]
        if name == "initialise":
            return initial_prompt(kinds, STARS, [window], 120)
        return UPDATERS["refine"](kinds, UpdateInput(STARS, "Fond.", [window, window], [3.0] * 10, "", 120))

    odd, plain = asked(title), asked("Under 30")
    assert odd.system == plain.system
    changed = [
        (before, after)
        for before, after in zip(plain.user.splitlines(), odd.user.splitlines(), strict=False)
        if before != after
    ]
    added = len(odd.user.splitlines()) - len(plain.user.splitlines())
    told = [line for line in odd.user.splitlines() if line.startswith("clearly") and f": {title} (" in line]
    assert added == len(told) <= 1
    if not told:
        assert all(after.startswith(("5:", "1:", "actual")) for _, after in changed)
