"""The engine protocol: `generate` and `score` for chat prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from deeper.errors import UserError

Floats = NDArray[np.float64]
Precision = Literal["auto", "exact", "fast"]
"""What a model on this machine computes in.

exact: 32-bit floats. fast: bfloat16 (where labels are scored, the head stays in 32-bit floats). auto: fast where the
processor or GPU multiplies bfloat16, else exact.
"""

LOG_PROB_FLOOR = -20.0
"""Natural log of the probability given to a label that a server does not show (APIs show at most 20 alternatives)."""


@dataclass(frozen=True)
class Prompt:
    """A chat of a system message and a user message."""

    system: str
    user: str


@dataclass(frozen=True)
class Sampling:
    """How to generate.

    Attributes:
        max_tokens: The longest answer, in tokens.
        temperature: 0 decodes greedily; above 0 draws samples.
        n: Samples for each prompt. The prompt itself is computed once.
        seed: The same seed, engine fingerprint and batch give the same samples.
        json_schema: If given, the answer is JSON that follows this schema.
    """

    max_tokens: int
    temperature: float = 0.0
    n: int = 1
    seed: int = 0
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Completion:
    """The answers to one prompt.

    Attributes:
        texts: `n` answers; empty if the call failed.
        tokens: The number of tokens of each answer.
        failure: Why there is no answer, in one line; empty if there is one.
    """

    texts: tuple[str, ...]
    tokens: tuple[int, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class ScoreRequest:
    """Continuations of one prompt to score against the same labels.

    Attributes:
        prompt: What all continuations share. Engines compute it once where they can.
        continuations: Texts appended to the user message; each asks one question.
        labels: The possible answers.
    """

    prompt: Prompt
    continuations: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass
class Usage:
    """Calls and tokens that an engine has used since it was made."""

    calls: int = 0
    tokens_prompt: int = 0
    tokens_cached: int = 0
    tokens_generated: int = 0

    def __sub__(self, other: "Usage") -> "Usage":
        """Return what was used since `other`."""
        return Usage(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in fields(self)})


class NoLogProbabilities(UserError):
    """The engine can generate, but its server gives no log-probabilities, so it cannot score."""


class Engine(Protocol):
    """A language model that can generate and score.

    Both methods answer every request, in order. A call that still fails after retries gives a `Completion.failure`
    or a row of NaN, never an exception or a missing row. An engine that cannot work at all (no server, no weights)
    raises `UserError`.

    An engine may have an attribute `unscored`: why rows of its last `score` are NaN, in one line each, by the index of
    the request and of the row. Another is `server_notes`: what its server refused, and what was asked for instead. A
    third is `computes_in`: the numbers that its model computes in, in words.

    An engine with an attribute `is_repeatable` that is true computes its answers itself: a call that failed would fail
    again. A run that is continued asks the failed calls of other engines once more.
    """

    @property
    def fingerprint(self) -> str:
        """One line that changes when answers may change: runtime, weights, adapter, settings."""
        ...

    @property
    def usage(self) -> Usage:
        """A copy of the counts so far."""
        ...

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Answer each prompt `sampling.n` times."""
        ...

    def score(self, requests: Sequence[ScoreRequest]) -> list[Floats]:
        """Return log-probabilities of labels as answers.

        Only as much of a label is scored as tells it from the others: its tokens up to the first one that no other
        label shares. A label that begins another one ("3" and "3.5") is scored whole, with the end of the answer.

        Returns:
            For each request a matrix (continuations, labels) of natural logs. Rows are not normalised. A label that
            the engine cannot see gets `LOG_PROB_FLOOR`. A row is NaN if its call failed or it shows no label.

        Raises:
            NoLogProbabilities: The engine can never score.
        """
        ...


def unscored(engine: Engine) -> Mapping[tuple[int, int], str]:
    """Why rows of the engine's last `score` are NaN, by request and row, as far as it says so."""
    return getattr(engine, "unscored", {})


def server_notes(engine: Engine) -> Sequence[str]:
    """What the engine's server refused so far, and what was asked for instead, in one line each."""
    return getattr(engine, "server_notes", ())


def computes_in(engine: Engine) -> str:
    """The numbers that the engine's model computes in, such as "bfloat16"; empty if the engine does not know."""
    return getattr(engine, "computes_in", "")


def may_answer_later(engine: Engine) -> bool:
    """Whether a call that failed may work at another time; false for engines with `is_repeatable`."""
    return not getattr(engine, "is_repeatable", False)
