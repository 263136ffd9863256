"""The engine protocol: two verbs, `generate` and `score`, over chat prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLOOR = -20.0
"""Natural log-probability given to a label that an engine cannot see (an API shows at most 20 alternatives)."""


@dataclass(frozen=True)
class Prompt:
    """One turn of chat: a system message and a user message."""

    system: str
    user: str


@dataclass(frozen=True)
class Sampling:
    """How to generate.

    Attributes:
        max_tokens: Upper bound of the answer's length, in tokens.
        temperature: 0 is greedy; above 0 samples.
        n: Samples for each prompt; the prompt is computed once.
        seed: Seed of the samples; sample i of a prompt is reproducible for the same engine fingerprint and batch.
        json_schema: Constrains the answer to JSON of this schema.
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
        tokens: Generated tokens of each answer.
        failure: Why there is no answer, in one line; empty if there is one.
    """

    texts: tuple[str, ...]
    tokens: tuple[int, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class ScoreRequest:
    """Continuations of one prompt to be scored against the same labels.

    Attributes:
        prompt: What all continuations share; engines that can, compute it once.
        continuations: Texts appended to the user message, one question each.
        labels: The possible answers.
    """

    prompt: Prompt
    continuations: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass
class Usage:
    """What an engine has spent since it was made."""

    calls: int = 0
    tokens_prompt: int = 0
    tokens_cached: int = 0
    tokens_generated: int = 0

    def __sub__(self, other: "Usage") -> "Usage":
        """What was spent since `other`."""
        return Usage(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in fields(self)})


class Engine(Protocol):
    """A language model behind two verbs.

    Both keep the order of their requests and answer each of them: a call that fails for good after retries is a
    `Completion.failure` or a row of NaN, never an exception and never a missing row. An engine that cannot work
    at all (no server, no weights) raises `UserError`.
    """

    @property
    def fingerprint(self) -> str:
        """Runtime, weights and settings that decide the answers, in one line."""
        ...

    @property
    def usage(self) -> Usage:
        """What has been spent so far (a copy)."""
        ...

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Answer each prompt `sampling.n` times."""
        ...

    def score(self, requests: Sequence[ScoreRequest]) -> list[Floats]:
        """Log-probabilities of labels as answers.

        Returns:
            For each request a matrix (continuations, labels): the natural log of the probability that the answer
            begins as only this label can, that is with the label up to its first token that no other label
            shares, or, where the label is the beginning of another ("3" of "3.5"), with the whole label and the
            end of the answer. Rows are not normalised. A label that the engine cannot see gets `FLOOR`; a row
            that failed, or of which no label can be seen, is NaN.
        """
        ...
