import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from persona_cases import DOMAINS, FOOD, HALVES, STARS

from deeper.engine import Prompt, ScoreRequest
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure
from deeper.persona.predict import PREDICT_INPUT, READOUTS, answer_schema, predict, read_answer
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.schema import PREDICTION

PROMPTS = load_prompts()


def row(user: str, *windows: list[str], domain: str = "halves", persona: str = "fond of shells") -> dict[str, Any]:
    targets = [{"k": k, "titles": titles} for k, titles in enumerate(windows, 1)]
    return {"persona_id": f"id-{user}", "user": user, "domain": domain, "persona": persona, "targets": targets}


def run(engine: ScriptedEngine, *rows: dict[str, Any], readout: str = "distribution") -> list[dict[str, Any]]:
    out = predict(pa.Table.from_pylist(list(rows), schema=PREDICT_INPUT), engine, PROMPTS, DOMAINS, readout, 5)
    assert out.schema == PREDICTION
    return out.to_pylist()


@pytest.mark.parametrize("readout", READOUTS)
def test_one_row_a_window_in_order_with_one_point_an_item(readout: str) -> None:
    rows = [row("ann", ["a", "b", "c"], ["d"]), row("bob", ["e", "f"], domain="stars")]
    out = run(ScriptedEngine(), *rows, readout=readout)
    assert [(r["persona_id"], r["user"], r["domain"], r["k"]) for r in out] == [
        ("id-ann", "ann", "halves", 1),
        ("id-ann", "ann", "halves", 2),
        ("id-bob", "bob", "stars", 1),
    ]
    for r, count, domain in zip(out, (3, 1, 2), (HALVES, HALVES, STARS), strict=True):
        assert len(r["points"]) == len(r["distribution"]) == count
        assert all(domain.scale.minimum <= point <= domain.scale.maximum for point in r["points"])
        assert (r["readout"], r["calibrated"], r["failure"]) == (readout, "off", "")


def test_a_prediction_cannot_hold_the_ratings_of_its_target() -> None:
    target = PREDICT_INPUT.field("targets").type.value_type
    assert [target.field(i).name for i in range(target.num_fields)] == ["k", "titles", "standings"]


def test_the_distribution_is_that_of_the_labels() -> None:
    wanted = np.array([[0.1, 0.2, 0.4, 0.2, 0.1], [0.0, 0.0, 0.0, 0.0, 1.0]])
    with np.errstate(divide="ignore"):
        engine = ScriptedEngine(scores=[np.log(wanted) - 0.7])
    [out] = run(engine, row("ann", ["a", "b"], domain="stars"))
    np.testing.assert_allclose(out["distribution"], wanted, atol=1e-6)
    np.testing.assert_allclose(out["points"], [3.0, 5.0], atol=1e-6)


def test_a_title_that_comes_twice_is_scored_once_and_predicted_twice() -> None:
    engine = ScriptedEngine()
    [first, second] = run(engine, row("ann", ["a", "b", "a"], ["b", "c"]))
    [request] = engine.asked
    assert isinstance(request, ScoreRequest)
    assert request.continuations == ('"a"', '"b"', '"c"')
    assert request.labels == HALVES.scale.labels
    assert first["points"][0] == first["points"][2] != first["points"][1] == second["points"][0]


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_row_without_log_probabilities_is_a_failure_of_its_window_alone(bad: float) -> None:
    matrix = np.full((3, 5), -1.6)
    matrix[1] = bad
    [first, second] = run(ScriptedEngine(scores=[matrix]), row("ann", ["a", "b"], ["c"], domain="stars"))
    assert "no log-probabilities" in first["failure"]
    assert (first["points"], first["distribution"]) == ([], [])
    assert second["failure"] == ""
    assert second["points"] == [3.0]


def test_structured_answers_are_one_hot_and_title_repeats_count() -> None:
    engine = ScriptedEngine(texts=['{"ratings": [0.5, 5, 3.5]}'])
    [out] = run(engine, row("ann", ["a", "b", "a"]), readout="structured")
    assert out["points"] == [0.5, 5.0, 3.5]
    assert [np.argmax(shares) for shares in out["distribution"]] == [0, 9, 6]
    [call] = engine.asked
    assert isinstance(call, GenerateCall)
    assert call.sampling.json_schema == answer_schema(HALVES, 3)
    assert call.prompt.user.count('"a"\n') == 2
    assert "exactly 3 numbers" in call.prompt.user


BAD_ANSWERS = {
    "": "not JSON",
    "   ": "not JSON",
    "I would say 4 and 5.": "not JSON",
    '{"ratings": [4, 5': "not JSON",
    "[" * 100_000: "not JSON",
    '{"ratings": ' + "[" * 50_000 + "]" * 50_000 + "}": "",
    '{"ratings": [4]}': "does not hold 2 ratings",
    '{"ratings": [4, 5, 5]}': "does not hold 2 ratings",
    '{"ratings": []}': "does not hold 2 ratings",
    '{"ratings": {"a": 4, "b": 5}}': "does not hold 2 ratings",
    '{"ratings": "45"}': "does not hold 2 ratings",
    '{"rating": [4, 5]}': "does not hold 2 ratings",
    "[4, 5]": "does not hold 2 ratings",
    "null": "does not hold 2 ratings",
    '{"ratings": [4, "5"]}': "other than numbers",
    '{"ratings": [true, 5]}': "other than numbers",
    '{"ratings": [null, 5]}': "other than numbers",
    '{"ratings": [[4], 5]}': "other than numbers",
    '{"ratings": [4, 6]}': "off the scale",
    '{"ratings": [4, 0]}': "off the scale",
    '{"ratings": [4, -1]}': "off the scale",
    '{"ratings": [4, 4.25]}': "off the scale",
    '{"ratings": [4, NaN]}': "off the scale",
    '{"ratings": [4, Infinity]}': "off the scale",
    '{"ratings": [4, -Infinity]}': "off the scale",
    '{"ratings": [4, 1e308]}': "off the scale",
    '{"ratings": [4, 1e999]}': "off the scale",
    '{"ratings": [4, ' + "9" * 400 + "]}": "off the scale",
    '{"ratings": [4, ' + "9" * 5000 + "]}": "not JSON",
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("answer", "failure"), BAD_ANSWERS.items(), ids=range(len(BAD_ANSWERS)))
def test_a_bad_answer_is_asked_for_once_more_and_then_a_failure(answer: str, failure: str) -> None:
    engine = ScriptedEngine(texts=[answer, answer])
    [out] = run(engine, row("ann", ["a", "b"]), readout="structured")
    assert out["failure"]
    assert failure in out["failure"]
    assert (out["points"], out["distribution"]) == ([], [])
    assert [call.sampling.temperature for call in engine.asked] == [0.0, 1.0]  # type: ignore[union-attr]


def test_only_the_unread_is_asked_for_again() -> None:
    answers = iter(['{"ratings": [4, 5]}', "nonsense", ScriptedFailure("cut off"), '{"ratings": [1, 2]}', "nonsense"])

    def reply(prompt: Prompt, sample: int) -> str:
        answer = next(answers)
        if isinstance(answer, ScriptedFailure):
            raise answer
        return answer

    rows = [row(user, [f"{user} one", f"{user} two"], domain="stars") for user in ("ann", "bob", "cyd")]
    engine = ScriptedEngine(reply=reply)
    out = run(engine, *rows, readout="structured")
    assert [r["points"] for r in out] == [[4.0, 5.0], [1.0, 2.0], []]
    assert [r["failure"] for r in out] == ["", "", "the answer is not JSON"]
    assert len(engine.asked) == 5


def test_a_failure_of_the_engine_keeps_its_reason() -> None:
    engine = ScriptedEngine(texts=[ScriptedFailure("the server hangs"), ScriptedFailure("the server hangs")])
    [out] = run(engine, row("ann", ["a"]), readout="structured")
    assert out["failure"] == "the server hangs"


def test_an_unrated_mark_is_no_prediction() -> None:
    assert read_answer('{"ratings": [0]}', FOOD, 1)[1] == "the answer holds a rating off the scale"


@pytest.mark.parametrize("domain", [STARS, HALVES])
def test_the_schema_allows_exactly_the_scale(domain: Any) -> None:
    schema = answer_schema(domain, 4)
    allowed = schema["properties"]["ratings"]["items"]["enum"]
    assert [f"{value:g}" for value in allowed] == list(domain.scale.labels)
    assert "3," in json.dumps(allowed)
    for value in allowed:
        shares, failure = read_answer(json.dumps({"ratings": [value] * 4}), domain, 4)
        assert not failure
        assert (domain.scale.values[shares.argmax(axis=1)] == value).all()


@given(st.text())
def test_arbitrary_text_is_a_failure_and_never_an_exception(text: str) -> None:
    shares, failure = read_answer(text, HALVES, 2)
    assert failure
    assert shares.size == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.lists(JSON | st.sampled_from(HALVES.scale.values.tolist()), min_size=2, max_size=2))
def test_arbitrary_json_is_read_as_the_scales_values_or_not_at_all(ratings: list[Any]) -> None:
    shares, failure = read_answer(json.dumps({"ratings": ratings}), HALVES, 2)
    if all(type(r) in (int, float) and r in HALVES.scale.values.tolist() for r in ratings):
        assert not failure
    if failure:
        assert shares.size == 0
    else:
        np.testing.assert_allclose(HALVES.scale.values[shares.argmax(axis=1)], ratings, atol=1e-3)
        np.testing.assert_array_equal(shares.sum(axis=1), 1)
