import json
import re

import numpy as np
import pytest
from contract import PROMPTS, RATER, STARS, EngineContract, made_by

from deeper.engine import Prompt, Sampling, ScoreRequest
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure

PLAIN = Sampling(max_tokens=20)


class TestScriptedContract(EngineContract):
    engine = made_by(ScriptedEngine)


def test_a_queue_is_replayed_in_order_and_its_end_is_said() -> None:
    engine = ScriptedEngine(texts=["one", "two", "three"])
    [first, second] = engine.generate(PROMPTS[:2], PLAIN)
    assert (first.texts, second.texts) == (("one",), ("two",))
    with pytest.raises(LookupError, match="exhausted.*capital of France"):
        engine.generate(PROMPTS[:1], Sampling(max_tokens=20, n=2))


def test_a_queue_of_score_matrices() -> None:
    matrix = np.log([[0.1, 0.2, 0.3, 0.2, 0.1]])
    engine = ScriptedEngine(scores=[matrix, matrix])
    np.testing.assert_array_equal(engine.score([ScoreRequest(RATER, ("?",), STARS)])[0], matrix)
    with pytest.raises(LookupError, match=r"shape \(1, 5\), asked for \(2, 5\)"):
        engine.score([ScoreRequest(RATER, ("?", "!"), STARS)])
    with pytest.raises(LookupError, match="no score matrix is left"):
        engine.score([ScoreRequest(RATER, ("?",), STARS)])


def test_functions_answer_and_see_the_sample() -> None:
    engine = ScriptedEngine(
        reply=lambda prompt, sample: f"{prompt.user}/{sample}",
        scorer=lambda prompt, continuation, labels: [-float(len(continuation))] * len(labels),
    )
    [warm] = engine.generate([Prompt("s", "u")], Sampling(max_tokens=1, temperature=1.0, n=2))
    [cold] = engine.generate([Prompt("s", "u")], Sampling(max_tokens=1, n=2))
    assert warm.texts == ("u/0", "u/1")
    assert cold.texts == ("u/0", "u/0")
    [scores] = engine.score([ScoreRequest(RATER, ("a", "bb"), STARS)])
    assert scores.tolist() == [[-1.0] * 5, [-2.0] * 5]


def test_scripted_failures_are_failures_of_one_call() -> None:
    engine = ScriptedEngine(texts=[ScriptedFailure("the model sulks"), "fine"])
    [bad, good] = engine.generate(PROMPTS[:2], PLAIN)
    assert (bad.texts, bad.failure) == ((), "the model sulks")
    assert (good.texts, good.failure) == (("fine",), "")

    def judge(prompt: Prompt, continuation: str, labels: object) -> list[float]:
        if continuation == "bad":
            raise ScriptedFailure("no")
        return [-1.0] * 5

    [scores] = ScriptedEngine(scorer=judge).score([ScoreRequest(RATER, ("bad", "good"), STARS)])
    assert np.isnan(scores[0]).all()
    assert np.isfinite(scores[1]).all()


def test_what_was_asked_is_recorded_in_order() -> None:
    engine = ScriptedEngine()
    request = ScoreRequest(RATER, ("?",), STARS)
    engine.generate(PROMPTS[:2], PLAIN)
    engine.score([request])
    assert engine.asked == [GenerateCall(PROMPTS[0], PLAIN), GenerateCall(PROMPTS[1], PLAIN), request]


def test_digest_texts_are_varied_and_free_of_digits() -> None:
    prompts = [Prompt("s", f"user {number}") for number in range(50)]
    texts = [completion.texts[0] for completion in ScriptedEngine().generate(prompts, Sampling(max_tokens=60))]
    assert len(set(texts)) > 40
    assert not any(re.search(r"\d", text) for text in texts)
    assert all(text.endswith(".") and 8 <= len(text.split()) <= 30 for text in texts)


def test_digest_answers_every_shape_of_schema_we_use() -> None:
    stars = {"enum": [1, 2, 3, 4, 5]}
    schema = {
        "type": "object",
        "properties": {
            "tuple": {
                "type": "array",
                "prefixItems": [stars, {"enum": ["x"]}],
                "minItems": 2,
                "items": False,
            },
            "list": {
                "type": "array",
                "items": {"type": "number", "enum": [0.5, 1]},
                "minItems": 3,
                "maxItems": 3,
            },
            "level": {"type": "integer", "minimum": 2, "maximum": 4},
            "sure": {"type": "boolean"},
            "why": {"type": "string"},
        },
    }
    sampling = Sampling(max_tokens=20, temperature=1.0, n=20, json_schema=schema)
    answers = [json.loads(text) for text in ScriptedEngine().generate(PROMPTS[:1], sampling)[0].texts]
    for answer in answers:
        assert list(answer) == ["tuple", "list", "level", "sure", "why"]
        assert answer["tuple"][0] in range(1, 6)
        assert answer["tuple"][1:] == ["x"]
        assert len(answer["list"]) == 3
        assert set(answer["list"]) <= {0.5, 1}
        assert 2 <= answer["level"] <= 4
        assert isinstance(answer["sure"], bool)
        assert answer["why"].endswith(".")
    assert {answer["level"] for answer in answers} == {2, 3, 4}
    with pytest.raises(LookupError, match="null"):
        ScriptedEngine().generate(PROMPTS[:1], Sampling(max_tokens=9, json_schema={"type": "null"}))


def test_fingerprints_tell_scripts_apart() -> None:
    def shout(prompt: Prompt, sample: int) -> str:
        return "!"

    engines = [
        ScriptedEngine(),
        ScriptedEngine(texts=["a"]),
        ScriptedEngine(texts=["b"]),
        ScriptedEngine(reply=shout),
    ]
    assert len({engine.fingerprint for engine in engines}) == 4
    assert ScriptedEngine(texts=["a"]).fingerprint == engines[1].fingerprint
    assert all(engine.fingerprint.startswith("scripted:") for engine in engines)
