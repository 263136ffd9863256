"""`scripted:taste`: what it reads in a prompt, and what it writes."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from contract import EngineContract, made_by

from deeper.behaviour.planted.plant import PLANTED
from deeper.domains.taste_words import Taste, in_words, read_tastes
from deeper.engine import Engine, Prompt, Sampling, ScoreRequest
from deeper.engine.registry import make_engine
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine
from deeper.engine.scripted.taste import TasteEngine
from deeper.errors import UserError
from deeper.persona.predict import EMPTY_PERSONA, answer_schema
from deeper.persona.prompts.item_lines import quote, rating_lines
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.update_input import UpdateInput
from deeper.persona.updaters import UPDATERS

PROMPTS = load_prompts()
WINDOW = [("Fable", 5), ("Fable", 4.5), ("Satire", 3), ("Western", 1), ("Western", 1.5), ("Comedy", 3), ("Satire", 3)]
OLD = in_words(Taste(0.5, {"romance": 1.0}))


class TestTasteContract(EngineContract):
    engine = made_by(lambda: make_engine("scripted:taste"))


@pytest.fixture
def engine() -> Engine:
    return TasteEngine()


def items(rated: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [
        {"item": str(i), "title": f'The "{i}" Harbour: A {kind}', "rating": float(rating), "time": None}
        for i, (kind, rating) in enumerate(rated)
    ]


def asked(method: str, *windows: Sequence[tuple[str, float]], predicted: Any = None, **changes: Any) -> Prompt:
    seen = UpdateInput(PLANTED, OLD, [items(one) for one in windows], predicted, "", 120)
    return UPDATERS[method](PROMPTS, UpdateInput(**{**vars(seen), **changes}))


def written(engine: Engine, prompt: Prompt, **sampling: Any) -> list[Taste]:
    [answer] = engine.generate([prompt], Sampling(**{"max_tokens": 120, **sampling}))
    return [read_tastes(text)[0] for text in answer.texts]


def predicted(engine: Engine, persona: str, kinds: Sequence[str]) -> list[float]:
    """The expected rating of an item of each kind."""
    prompt = PROMPTS.render("predict", PLANTED, persona=persona)
    titles = tuple(quote(f"The Paper Violin: A {kind}") for kind in kinds)
    [rows] = engine.score([ScoreRequest(prompt, titles, PLANTED.scale.labels)])
    assert np.exp(rows).sum(axis=1) == pytest.approx(np.ones(len(kinds)))
    return (np.exp(rows) @ PLANTED.scale.values).tolist()


def test_a_first_persona_tells_the_level_and_the_kinds_of_the_listed_ratings(engine: Engine) -> None:
    [taste] = written(engine, asked("slide_regeneration", WINDOW))
    assert taste.level == pytest.approx((3 - 0.5) / 4.5, abs=0.07)
    assert taste.kinds["fable"] > taste.level + 0.25 and taste.kinds["western"] < taste.level - 0.25
    assert "satire" not in taste.kinds, "it says nothing of kinds that are at the level"
    [text] = engine.generate([asked("slide_regeneration", WINDOW)], Sampling(120))[0].texts
    assert not any(letter.isdigit() for letter in text) and "Harbour" not in text


def test_what_an_updater_does_not_show_is_not_in_the_persona(engine: Engine) -> None:
    first, second = [("Fable", 5), ("Tragedy", 1), ("Comedy", 3)], [("Western", 5), ("Musical", 1), ("Comedy", 3)]
    [slid] = written(engine, asked("slide_regeneration", first, second))
    [whole] = written(engine, asked("full_regeneration", first, second))
    assert set(slid.kinds) == {"western", "musical"}
    assert set(whole.kinds) == {"fable", "tragedy", "western", "musical"}


def test_an_update_moves_the_old_persona_towards_the_new_ratings(engine: Engine) -> None:
    [taste] = written(engine, asked("incremental_update", [("Comedy", 4.5)] * 10))
    assert taste.level > 0.5 and taste.kinds["comedy"] > 0.8
    assert taste.kinds["romance"] - taste.level == pytest.approx(0.5, abs=0.06), "what is not seen stays"


def test_a_refinement_corrects_what_was_predicted(engine: Engine) -> None:
    window = [("Comedy", 4), ("Fable", 4), ("Satire", 4), ("Western", 4)]
    [right] = written(engine, asked("refine", window, predicted=[4.0] * 4))
    assert right == read_tastes(OLD)[0]
    [low] = written(engine, asked("refine", window, predicted=[2.0] * 4))
    assert low.level > right.level
    [unknown] = written(engine, asked("refine", window))
    assert unknown.level > right.level, "without a prediction, the old persona's counts"


def test_a_merge_takes_the_middle_and_keeps_what_one_of_both_knows(engine: Engine) -> None:
    recent = in_words(Taste(0.7, {"fable": 0.9}))
    [taste] = written(engine, asked("hierarchical_merge", WINDOW, short_term=recent))
    assert taste.level == pytest.approx(0.6, abs=0.06)
    assert taste.kinds["romance"] - taste.level == pytest.approx(0.5, abs=0.12)
    assert taste.kinds["fable"] - taste.level == pytest.approx(0.2, abs=0.12)


def test_samples_lie_around_the_taste(engine: Engine) -> None:
    prompt = asked("slide_regeneration", WINDOW)
    [greedy] = written(engine, prompt)
    samples = written(engine, prompt, temperature=1.0, n=40, seed=3)
    levels = np.array([taste.level for taste in samples])
    assert len(set(levels.tolist())) > 2 and levels.mean() == pytest.approx(greedy.level, abs=0.05)
    assert written(engine, prompt, temperature=1.0, n=40, seed=3) == samples
    assert written(engine, prompt, temperature=1.0, n=40, seed=4) != samples


def test_the_length_limit_cuts_the_weakest_kinds_first(engine: Engine) -> None:
    rated = [("Fable", 5), ("Western", 0.5), ("Satire", 3.5), ("Comedy", 3), ("Comedy", 3)]
    [answer] = engine.generate([asked("slide_regeneration", rated)], Sampling(20))
    assert answer.tokens[0] <= 20
    [taste] = read_tastes(answer.texts[0])
    assert taste.kinds and "satire" not in taste.kinds


def test_the_predictor_reads_the_persona_and_the_kind_in_the_title(engine: Engine) -> None:
    persona = in_words(Taste(0.5, {"fable": 1.0, "western": 0.0}))
    western, comedy, fable = predicted(engine, persona, ["Western", "Comedy", "Fable"])
    assert western < 1.3 and comedy == pytest.approx(2.75, abs=0.05) and fable > 4.2


def test_an_empty_persona_predicts_nothing(engine: Engine) -> None:
    assert predicted(engine, EMPTY_PERSONA, ["Fable", "Western"]) == pytest.approx([2.75, 2.75])


def test_ratings_in_place_of_a_persona_are_read(engine: Engine) -> None:
    western, fable = predicted(engine, rating_lines(items(WINDOW), PLANTED), ["Western", "Fable"])
    assert western < 2 and fable > 3.7


def test_a_structured_answer_is_the_likeliest_rating_of_each_title(engine: Engine) -> None:
    persona = in_words(Taste(0.5, {"fable": 1.0, "western": 0.0}))
    titles = "\n".join(quote(f"The Paper Violin: A {kind}") for kind in ("Western", "Fable", "Western"))
    prompt = PROMPTS.render("predict_list", PLANTED, persona=persona, items=titles, count=3)
    [answer] = engine.generate([prompt], Sampling(80, json_schema=answer_schema(PLANTED, 3)))
    assert json.loads(answer.texts[0]) == {"ratings": [0.5, 5, 0.5]}


def test_it_counts_and_records_as_scripted_does() -> None:
    prompt, sampling = Prompt("You write.", "Write one."), Sampling(20, temperature=1.0, n=2)
    request = ScoreRequest(prompt, ("one title", "another"), ("1", "2"))
    both = (TasteEngine(), ScriptedEngine())
    answers = [(engine.generate([prompt], sampling), engine.score([request])[0].tolist()) for engine in both]
    assert answers[0] == answers[1], "a prompt without a taste is answered as by scripted"
    assert both[0].usage == both[1].usage and both[0].usage.tokens_generated > 0
    assert both[0].asked == both[1].asked == [GenerateCall(prompt, sampling), request]


@pytest.mark.parametrize("spec", ["scripted:tastes", "scripted:TASTE", "scripted:"])
def test_no_other_script_has_a_name(spec: str) -> None:
    with pytest.raises(UserError, match="there is no engine") as caught:
        make_engine(spec)
    assert "scripted:taste" in caught.value.do
