"""What every updater must do and may see. Inherit `UpdaterContract` and say which windows the updater reads.

class TestMine(UpdaterContract):
    name, windows = "mine", staticmethod(lambda t: [t])

This example reads only the new window. `test_updaters.py` holds the contracts of all updaters.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from persona_cases import FOOD, ODD_TITLES, PERCENT, items

from deeper.engine import Prompt
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.persona.update_input import UpdateInput
from deeper.persona.updaters import UPDATERS

PERSONA, SHORT_TERM = "fond of granite", "lately drawn to slate"
SIZE = 4


def seen_at(t: int) -> UpdateInput:
    """Round t. The rating and the title of item i of W_k say k and i; the prediction of item i is 91 + i."""
    windows = [
        items([f"Mark {k} {i}" for i in range(SIZE)], [10 * k + i + 1 for i in range(SIZE)]) for k in range(t + 1)
    ]
    return UpdateInput(PERCENT, PERSONA, windows, [91.0 + i for i in range(SIZE)], SHORT_TERM, 120)


def lines_of(prompt: Prompt) -> dict[str, str]:
    """The start of the line of each title."""
    found: dict[str, str] = {}
    for line in f"{prompt.system}\n{prompt.user}".splitlines():
        head, colon, titles = line.partition(': "')
        for title in json.loads(f'["{titles}]') if colon else ():
            assert title not in found
            found[title] = head
    return found


class UpdaterContract:
    """Attributes to override: an updater's name, and what it sees at round t.

    windows: Numbers of the windows, none of them after t.
    sees_persona: Whether it reads S_{t-1}.
    sees_prediction: Whether it reads the predictions of W_t.
    sees_short_term: Whether it reads a short-term persona of W_t.
    """

    name: str
    windows: Callable[[int], Sequence[int]]
    sees_persona = False
    sees_prediction = False
    sees_short_term = False

    @pytest.fixture(scope="class")
    @classmethod
    def prompts(cls) -> Prompts:
        return load_prompts()

    def ask(self, prompts: Prompts, seen: UpdateInput) -> Prompt:
        return UPDATERS[self.name](prompts, seen)

    @pytest.mark.parametrize("t", [1, 2, 4])
    def test_it_sees_its_windows_and_no_other(self, prompts: Prompts, t: int) -> None:
        prompt = self.ask(prompts, seen_at(t))
        expected = {f"Mark {k} {i}": f"{10 * k + i + 1}" for k in self.windows(t) for i in range(SIZE)}
        seen = lines_of(prompt)
        assert list(seen) == list(expected)[::-1]
        for title, rating in expected.items():
            assert re.fullmatch(rf"{rating}|actual {rating}, predicted \d+, too (high|low)", seen[title])
        assert prompt.user.count("Mark") == len(expected)

    @pytest.mark.parametrize("t", [1, 3])
    def test_it_sees_texts_and_predictions_only_where_it_should(self, prompts: Prompts, t: int) -> None:
        prompt = self.ask(prompts, seen_at(t))
        whole = prompt.system + prompt.user
        assert whole.count(PERSONA) == self.sees_persona
        assert whole.count(SHORT_TERM) == self.sees_short_term
        guesses = [int(guess) for guess in re.findall(r"predicted (\d+),", whole)]
        assert guesses == ([94, 93, 92, 91] if self.sees_prediction else [])

    def test_what_it_does_not_see_changes_nothing(self, prompts: Prompts) -> None:
        seen = seen_at(3)
        hidden = [k for k in range(4) if k not in self.windows(3)]
        windows = [items(["Other"] * SIZE, [77] * SIZE) if k in hidden else w for k, w in enumerate(seen.windows)]
        changes = {
            "windows": windows,
            **({} if self.sees_persona else {"persona": "someone else"}),
            **({} if self.sees_short_term else {"short_term": "someone else"}),
            **({} if self.sees_prediction else {"predicted": None}),
        }
        assert self.ask(prompts, replace(seen, **changes)) == self.ask(prompts, seen)

    def test_marks_of_no_rating_are_shown_as_not_rated(self, prompts: Prompts) -> None:
        windows = [items(["Rated", "Unrated"], [4, 0]) for _ in range(2)]
        windows[0] = items(["Old", "Old unrated"], [0, 0])
        prompt = self.ask(prompts, UpdateInput(FOOD, PERSONA, windows, [3.0, 3.0], SHORT_TERM, 120))
        seen = lines_of(prompt)
        for title, said in {"Rated": "4", "Unrated": "not rated", "Old": "not rated"}.items():
            if title in seen:
                assert re.fullmatch(rf"{said}|actual {said}, predicted 3(, too low)?", seen[title])
        assert ("Unrated" in seen) == (1 in self.windows(1))
        assert not re.search(r"(^|actual )0[:,]", prompt.user, re.MULTILINE)

    def test_a_failed_prediction_is_shown_as_unknown(self, prompts: Prompts) -> None:
        prompt = self.ask(prompts, replace(seen_at(2), predicted=None))
        assert prompt.user.count("predicted unknown:") == (SIZE if self.sees_prediction else 0)

    def test_odd_titles_are_one_line_each(self, prompts: Prompts) -> None:
        plain = UpdateInput(
            PERCENT, PERSONA, [items(["a"] * len(ODD_TITLES), [7] * len(ODD_TITLES))] * 2, None, SHORT_TERM, 120
        )
        odd = replace(plain, windows=[items(ODD_TITLES, [7] * len(ODD_TITLES))] * 2)
        assert len(self.ask(prompts, odd).user.splitlines()) == len(self.ask(prompts, plain).user.splitlines())

    def test_the_noun_and_the_length_are_told(self, prompts: Prompts) -> None:
        prompt = self.ask(prompts, seen_at(1))
        assert "jar" in prompt.user
        assert "five sentences" in prompt.system
