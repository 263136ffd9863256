"""The readout `auto`: distributions, and JSON with an engine that gives no log-probabilities; rows say which it was."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from persona_cases import DOMAINS

from deeper.engine import NoLogProbabilities, ScoreRequest
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine
from deeper.persona.predict import AUTO, PREDICT_INPUT, predict, predict_stage
from deeper.persona.prompts.templates import load_prompts

PROMPTS = load_prompts()
TARGETS = [{"k": 1, "titles": ["a", "b"]}]
ROW = {"persona_id": "p", "user": "ann", "domain": "stars", "persona": "fond of shells", "targets": TARGETS}


class NoScores(ScriptedEngine):
    """A server without log-probabilities."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.fingerprint = name

    def score(self, requests: Sequence[ScoreRequest]) -> list[Any]:
        raise NoLogProbabilities("the server gives no log-probabilities", do="use --readout structured")


def run(engine: ScriptedEngine, readout: str) -> dict[str, Any]:
    [row] = predict(pa.Table.from_pylist([ROW], schema=PREDICT_INPUT), engine, PROMPTS, DOMAINS, readout, 5).to_pylist()
    return row


def test_an_engine_with_log_probabilities_gives_distributions() -> None:
    engine = ScriptedEngine()
    assert run(engine, AUTO) == run(engine, "distribution")
    assert not any(isinstance(call, GenerateCall) for call in engine.asked)


def test_an_engine_without_them_gives_json_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    engine = NoScores("a server of this test")
    rows = [run(engine, AUTO) for _ in range(3)]
    assert {row["readout"] for row in rows} == {"structured"}
    assert rows[0] == run(engine, "structured")
    assert (np.array(rows[0]["distribution"]).max(axis=1) == 1).all()
    assert caplog.text.count("a server of this test gives no log-probabilities") == 1


def test_who_asks_for_distributions_gets_an_error_with_advice() -> None:
    with pytest.raises(NoLogProbabilities, match="--readout structured"):
        run(NoScores("another"), "distribution")


def test_a_shard_depends_on_both_readouts() -> None:
    stages = {name: predict_stage("p", ScriptedEngine(), PROMPTS, DOMAINS, name, 1) for name in (AUTO, "distribution")}
    assert stages[AUTO].settings["readout"] == AUTO
    assert stages[AUTO].code.keys() >= stages["distribution"].code.keys()
