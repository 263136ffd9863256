"""The scripted engine, of which a share of the calls fails: always the same ones, whatever the order."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from deeper.engine import Completion, Prompt, Sampling, ScoreRequest
from deeper.engine.scripted.engine import ScriptedEngine

VERBS = ("generate", "score")


class FailingEngine:
    """Fails calls by a hash of what is asked; the others are answered as if none had failed.

    Attributes:
        failed: What was asked in the calls that failed, by verb.
    """

    def __init__(self, share: float, seed: int = 1, verbs: Sequence[str] = VERBS) -> None:
        """Let `share` of the calls of some verbs fail."""
        self._engine, self._share, self._seed, self._verbs = ScriptedEngine(), share, seed, verbs
        self.fingerprint = self._engine.fingerprint
        self.failed: dict[str, list[Any]] = {"generate": [], "score": []}
        self.calls = 0

    @property
    def usage(self) -> Any:
        """What has been spent."""
        return self._engine.usage

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Answers; failures say so."""
        answers = self._engine.generate(prompts, sampling)
        return [
            Completion((), failure="HTTP 500: out of luck") if self._fails("generate", prompt) else answer
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Any]:
        """Matrices; of a request that fails, NaN."""
        return [
            np.full_like(matrix, np.nan) if self._fails("score", request) else matrix
            for request, matrix in zip(requests, self._engine.score(requests), strict=True)
        ]

    def _fails(self, verb: str, asked: object) -> bool:
        self.calls += 1
        digest = hashlib.blake2b(repr((self._seed, verb, asked)).encode(), digest_size=8).digest()
        fails = verb in self._verbs and int.from_bytes(digest) < self._share * 2**64
        if fails:
            self.failed[verb].append(asked)
        return fails
