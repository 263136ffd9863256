"""The contract of every readout; one that is added stands here too."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from readout_contract import ReadoutContract

from deeper.engine import Prompt
from deeper.engine.scripted.engine import ScriptedEngine, ScriptedFailure
from deeper.persona.predict import READOUTS


def fail(*_: object) -> str:
    raise ScriptedFailure("the server hangs")


def no_rating(prompt: Prompt, sample: int) -> str:
    return "I would say four."


def nothing(prompt: Any, title: str, labels: Sequence[str]) -> Any:
    """No label has a probability."""
    return np.full(len(labels), -np.inf)


class TestDistribution(ReadoutContract):
    name = "distribution"
    unreadable = staticmethod(lambda: ScriptedEngine(scorer=nothing))
    failing = staticmethod(lambda: ScriptedEngine(scorer=fail))


class TestStructured(ReadoutContract):
    name = "structured"
    unreadable = staticmethod(lambda: ScriptedEngine(reply=no_rating))
    failing = staticmethod(lambda: ScriptedEngine(reply=fail))


def test_every_readout_keeps_the_contract() -> None:
    assert {contract.name for contract in ReadoutContract.__subclasses__()} == READOUTS.keys()
