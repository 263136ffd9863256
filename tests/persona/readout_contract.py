"""What every readout must do: inherit `ReadoutContract`, name the readout, and give engines that cannot be read.

class TestMine(ReadoutContract):
    name = "mine"
    unreadable = staticmethod(lambda: ScriptedEngine(reply=lambda prompt, sample: "no rating"))
    failing = staticmethod(lambda: ScriptedEngine(reply=my_failure))

`test_readouts.py` holds those of all readouts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from persona_cases import DOMAINS, ODD_TITLES

from deeper.engine.scripted.engine import ScriptedEngine
from deeper.persona.predict import EMPTY_PERSONA, PREDICT_INPUT, READOUTS, Answer
from deeper.persona.prompts.item_lines import quote
from deeper.persona.prompts.templates import load_prompts

PROMPTS = load_prompts()
PERSONA = "fond of granite"
SEED = 5
TITLES = [title for title in ODD_TITLES if "\ud83d" not in title]
"""Odd titles that a table can hold: Arrow stores no lone surrogates."""


def input_row(*windows: list[str], user: str = "ann", domain: str = "halves", persona: str = PERSONA) -> dict[str, Any]:
    """A row of `PREDICT_INPUT`; its windows are W_1, W_2 and so on."""
    targets = [{"k": k, "titles": titles} for k, titles in enumerate(windows, 1)]
    return {"persona_id": f"id-of-{user}", "user": user, "domain": domain, "persona": persona, "targets": targets}


def known_row(titles: list[str], *standings: list[str], persona: str = PERSONA) -> dict[str, Any]:
    """A row of `PREDICT_INPUT` with the same titles in each window, and what is said beside them."""
    row = input_row(*[titles] * len(standings), persona=persona)
    return {**row, "targets": [{**row["targets"][i], "standings": said} for i, said in enumerate(standings)]}


def shown(engine: ScriptedEngine) -> list[str]:
    """All lines that the engine was shown."""
    texts = [text for asked in engine.asked for text in (asked.prompt.user, *getattr(asked, "continuations", ()))]
    return "\n".join(texts).splitlines()


def same(one: Answer, other: Answer) -> bool:
    """Whether two answers are equal."""
    return one[1] == other[1] and np.array_equal(one[0], other[0])


class ReadoutContract:
    """Attributes to override.

    name: The readout's name in `READOUTS`.
    unreadable: Makes an engine whose answers hold no rating.
    failing: Makes an engine whose every call fails.
    """

    name: str
    unreadable: Callable[[], ScriptedEngine]
    failing: Callable[[], ScriptedEngine]

    def ask(self, *rows: Mapping[str, Any], engine: ScriptedEngine | None = None) -> list[list[Answer]]:
        table = pa.Table.from_pylist(list(rows), schema=PREDICT_INPUT)
        return READOUTS[self.name](table, engine or ScriptedEngine(), PROMPTS, DOMAINS, SEED)

    @pytest.mark.parametrize("domain", DOMAINS)
    def test_each_item_has_a_distribution_over_the_labels(self, domain: str) -> None:
        [[(distribution, failure)]] = self.ask(input_row(["a", "b", "c"], domain=domain))
        assert failure == ""
        assert distribution.shape == (3, len(DOMAINS[domain].scale.labels))
        assert (distribution >= 0).all()
        np.testing.assert_allclose(distribution.sum(axis=1), 1, atol=1e-6)

    def test_one_item_is_enough(self) -> None:
        [[(distribution, failure)]] = self.ask(input_row(["a"]))
        assert (distribution.shape, failure) == ((1, 10), "")

    def test_no_row_has_no_answer(self) -> None:
        assert self.ask() == []

    def test_rows_and_windows_are_answered_in_order(self) -> None:
        rows = [
            input_row(["a", "b", "c"], ["d"], user="ann"),
            input_row(["e", "f"], user="bob", domain="stars", persona="drawn to slate"),
            input_row(["g"], user="cyd", persona="no friend of basalt"),
        ]
        forward, backward = self.ask(*rows), self.ask(*rows[::-1])[::-1]
        assert [[distribution.shape for distribution, _ in windows] for windows in forward] == [
            [(3, 10), (1, 10)],
            [(2, 5)],
            [(1, 10)],
        ]
        for windows, others in zip(forward, backward, strict=True):
            assert all(map(same, windows, others))
        assert not same(forward[0][1], forward[2][0]), "another persona and another title have another answer"

    def test_windows_behind_one_persona_do_not_influence_one_another(self) -> None:
        [together] = self.ask(input_row(["a", "b"], ["c", "d"], ["a", "e"]))
        for titles, answer in zip((["a", "b"], ["c", "d"], ["a", "e"]), together, strict=True):
            [[alone]] = self.ask(input_row(titles))
            assert same(answer, alone)

    def test_a_title_that_comes_twice_has_two_answers(self) -> None:
        [[first, second]] = self.ask(input_row(["a", "b", "a"], ["b", "c"]))
        assert (first[0].shape, second[0].shape) == ((3, 10), (2, 10))
        assert first[1] == second[1] == ""

    def test_an_odd_title_is_one_line_and_has_its_answer(self) -> None:
        engine = ScriptedEngine()
        [[(distribution, failure)]] = self.ask(input_row(TITLES), engine=engine)
        assert (len(distribution), failure) == (len(TITLES), "")
        [asked] = engine.asked
        lines = "\n".join((asked.prompt.user, *getattr(asked, "continuations", ()))).splitlines()
        assert all(quote(title) in lines for title in TITLES)

    def test_the_engine_sees_the_persona_the_scale_and_the_titles_alone(self) -> None:
        engine = ScriptedEngine()
        self.ask(input_row(["a quiet cove"], user="someone-secret"), engine=engine)
        seen = repr(engine.asked)
        assert PERSONA in seen and "a quiet cove" in seen
        assert "0.5 (dreadful), 1 (awful), 1.5 (bad)" in " ".join(engine.asked[0].prompt.user.split())
        assert "someone-secret" not in seen

    @pytest.mark.parametrize("persona", [PERSONA, ""])
    def test_what_others_think_stands_behind_the_title(self, persona: str) -> None:
        engine = ScriptedEngine()
        words = ["; others rate it above their usual", "", "; others may rate it below their usual"]
        [[(distribution, failure)]] = self.ask(known_row(["a", "b", "c"], words, persona=persona), engine=engine)
        assert (distribution.shape, failure) == ((3, 10), "")
        assert {f'"{title}"{said}' for title, said in zip("abc", words, strict=True)} <= set(shown(engine))

    def test_a_title_of_which_more_is_known_later_has_another_answer(self) -> None:
        engine = ScriptedEngine()
        few, many = ("; a few others rate it above their usual", "; others rate it far above their usual")
        [[before, after]] = self.ask(known_row(["a", "b"], [few, ""], [many, ""]), engine=engine)
        assert {f'"a"{few}', f'"a"{many}', '"b"'} <= set(shown(engine))
        [[alone]] = self.ask(known_row(["a", "b"], [many, ""]))
        assert same(after, alone) and not same(before, after)

    def test_nothing_said_is_as_if_nothing_could_be_said(self) -> None:
        engines = ScriptedEngine(), ScriptedEngine()
        self.ask(input_row(TITLES, ["d"]), engine=engines[0])
        self.ask({**input_row(TITLES, ["d"]), "targets": known_row(TITLES, [""] * len(TITLES))["targets"]
                  + [{"k": 2, "titles": ["d"], "standings": [""]}]}, engine=engines[1])  # fmt: skip
        assert engines[0].asked == engines[1].asked

    def test_an_empty_persona_is_said_to_be_unknown(self) -> None:
        engine = ScriptedEngine()
        self.ask(input_row(["a"], persona=""), engine=engine)
        assert EMPTY_PERSONA in engine.asked[0].prompt.user

    @pytest.mark.parametrize("make", ["unreadable", "failing"])
    def test_an_answer_that_cannot_be_read_is_a_failure_and_no_exception(self, make: str) -> None:
        answers = self.ask(input_row(["a", "b"], ["c"]), input_row(["d"], domain="stars"), engine=getattr(self, make)())
        assert [len(windows) for windows in answers] == [2, 1]
        for distribution, failure in sum(answers, []):
            assert failure.strip() == failure != ""
            assert len(failure.splitlines()) == 1
            assert distribution.size == 0

    def test_the_same_question_has_the_same_answer(self) -> None:
        [[first]], [[second]] = self.ask(input_row(["a", "b"])), self.ask(input_row(["a", "b"]))
        assert same(first, second)
