"""The scripted engine for tests: it replays queued answers, calls functions, or answers by a hash of the question."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deeper.engine.protocol import Completion, Prompt, Sampling, ScoreRequest, Usage

Floats = NDArray[np.float64]
T = TypeVar("T")
Reply = Callable[[Prompt, int], str]
Scorer = Callable[[Prompt, str, Sequence[str]], Sequence[float] | Floats]

OPENINGS = ("This person", "The user", "This reader of people and things", "A patient observer who")
TASTES = ("enjoys", "returns to", "is moved by", "is quickly bored by", "distrusts", "rewards", "forgives")
THINGS = (
    "quiet stories",
    "bold colours",
    "honest craft",
    "loud spectacle",
    "dry humour",
    "sturdy goods",
    "old places",
)
VERDICTS = ("and judges warmly", "and judges strictly", "and is seldom impressed", "and is usually pleased")


class ScriptedFailure(Exception):
    """Makes a call fail: raise it in a `reply` or `scorer` function, or queue it instead of an answer."""


@dataclass(frozen=True)
class GenerateCall:
    """A prompt that was sent to `generate`, and its sampling."""

    prompt: Prompt
    sampling: Sampling


class ScriptedEngine:
    """An engine without a model.

    A queue is replayed in order and verbatim: one text for each sample, one matrix for each score request. An exhausted
    queue raises `LookupError`. Without a queue the functions answer. Without functions, a hash of the question decides:
    it gives a persona-like sentence without digits, an instance of the JSON schema, or random-looking
    log-probabilities. Words count as tokens.

    Attributes:
        asked: All requests in order: a `GenerateCall` for each prompt, and each `ScoreRequest`.
        unscored: Why rows of the last `score` are NaN; see `Engine`.
    """

    is_repeatable = True

    def __init__(
        self,
        *,
        texts: Iterable[str | ScriptedFailure] | None = None,
        scores: Iterable[Floats] | None = None,
        reply: Reply | None = None,
        scorer: Scorer | None = None,
    ) -> None:
        """Set the answers.

        Args:
            texts: Queue of answers; a `ScriptedFailure` makes its whole prompt fail.
            scores: Queue of matrices (continuations, labels).
            reply: Returns the answer to (prompt, sample number) if there is no queue. At temperature 0 the number is 0.
            scorer: Returns log-probabilities (labels,) of (prompt, continuation, labels) if there is no queue.
        """
        self._queue = None if texts is None else list(texts)
        self._scores = None if scores is None else [np.asarray(matrix, np.float64) for matrix in scores]
        self._reply, self._scorer = reply, scorer
        self._usage = Usage()
        self.asked: list[GenerateCall | ScoreRequest] = []
        self.unscored: dict[tuple[int, int], str] = {}
        queues = [None if queue is None else [str(entry) for entry in queue] for queue in (self._queue, self._scores)]
        self.fingerprint = f"scripted:{_digest(queues, _name(reply), _name(scorer)).hex()[:12]}"

    @property
    def usage(self) -> Usage:
        """A copy of the counts so far."""
        return replace(self._usage)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Answer each prompt `sampling.n` times; see `Engine.generate`."""
        return [self._complete(prompt, sampling) for prompt in prompts]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Floats]:
        """Return log-probabilities of labels as answers; see `Engine.score`."""
        self.unscored = {}
        return [self._rows(i, request) for i, request in enumerate(requests)]

    def _complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        self.asked.append(GenerateCall(prompt, sampling))
        self._usage.calls += 1
        self._usage.tokens_prompt += _words(prompt.system + " " + prompt.user)
        try:
            texts = self._texts(prompt, sampling)
        except ScriptedFailure as failure:
            return Completion((), failure=str(failure))
        tokens = tuple(map(_words, texts))
        self._usage.tokens_generated += sum(tokens)
        return Completion(texts, tokens)

    def _texts(self, prompt: Prompt, sampling: Sampling) -> tuple[str, ...]:
        return tuple(self._text(prompt, sampling, sample) for sample in range(sampling.n))

    def _text(self, prompt: Prompt, sampling: Sampling, sample: int) -> str:
        if self._queue is not None:
            text = _next(self._queue, "text", prompt)
            if isinstance(text, ScriptedFailure):
                raise text
            return text
        sample = sample if sampling.temperature > 0 else 0
        if self._reply is not None:
            return self._reply(prompt, sample)
        seed = sampling.seed if sampling.temperature > 0 else 0
        digest = _digest(prompt.system, prompt.user, seed, sample)
        if sampling.json_schema is not None:
            return json.dumps(_instance(sampling.json_schema, digest))
        return " ".join(_sentence(digest).split()[: sampling.max_tokens])

    def _rows(self, index: int, request: ScoreRequest) -> Floats:
        self.asked.append(request)
        self._usage.calls += 1
        self._usage.tokens_prompt += _words(request.prompt.system + " " + request.prompt.user)
        self._usage.tokens_prompt += sum(map(_words, request.continuations))
        shape = (len(request.continuations), len(request.labels))
        if self._scores is not None:
            matrix = _next(self._scores, "score matrix", request.prompt)
            if matrix.shape != shape:
                raise LookupError(f"the next scripted score matrix has shape {matrix.shape}, asked for {shape}")
            return matrix
        rows = np.full(shape, np.nan)
        for i, continuation in enumerate(request.continuations):
            try:
                rows[i] = self._row(request.prompt, continuation, request.labels)
            except ScriptedFailure as failure:
                self.unscored[index, i] = str(failure)  # a failed row is NaN
        return rows

    def _row(self, prompt: Prompt, continuation: str, labels: Sequence[str]) -> Sequence[float] | Floats:
        return (self._scorer or digest_scores)(prompt, continuation, labels)


def digest_scores(prompt: Prompt, continuation: str, labels: Sequence[str]) -> Floats:
    """Return log-probabilities that depend on a hash of the question alone; their probabilities sum to 0.9."""
    digests = [_digest(prompt.system, prompt.user, continuation, label) for label in labels]
    logits = np.array([3 * int.from_bytes(digest[:4]) / 2**32 for digest in digests])
    return logits - np.log(np.exp(logits).sum()) + np.log(0.9)


def _sentence(digest: bytes) -> str:
    parts = (OPENINGS, TASTES, THINGS, VERDICTS, ("what is",), THINGS, ("but",), TASTES, THINGS)
    return " ".join(part[byte % len(part)] for part, byte in zip(parts, digest, strict=False)) + "."


def _instance(schema: Mapping[str, Any], digest: bytes) -> Any:
    """Return an instance of a schema of objects, arrays of fixed length, enumerations and plain values."""
    if "enum" in schema:
        return schema["enum"][digest[0] % len(schema["enum"])]
    match schema.get("type"):
        case "object":
            return {key: _instance(value, _digest(digest, key)) for key, value in schema["properties"].items()}
        case "array":
            first: list[Any] = schema.get("prefixItems", [])
            length = max(len(first), schema.get("minItems", 0))
            kinds = first + [schema.get("items")] * (length - len(first))
            return [_instance(kind, _digest(digest, i)) for i, kind in enumerate(kinds)]
        case "integer" | "number":
            low = schema.get("minimum", 0)
            return low + digest[0] % (int(schema.get("maximum", low + 9) - low) + 1)
        case "boolean":
            return digest[0] % 2 == 0
        case "string":
            return _sentence(digest)
        case other:
            raise LookupError(f"the scripted engine cannot answer a schema of type {other!r}")


def _next(queue: list[T], kind: str, prompt: Prompt) -> T:
    if not queue:
        raise LookupError(f"the script is exhausted: no {kind} is left for the prompt {prompt.user[:60]!r}")
    return queue.pop(0)


def _digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()


def _name(function: Callable[..., Any] | None) -> str:
    if function is None:
        return "digest"
    code = getattr(function, "__code__", None)
    line = code.co_firstlineno if code else ""
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}:{line}"


def _words(text: str) -> int:
    return len(text.split())
