"""The engine `openai`: any server with the OpenAI API (vLLM, SGLang, llama-server, Ollama, OpenAI)."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import openai
from numpy.typing import NDArray

from deeper.engine.openai.calls import CallFailed, Server, UnusableAnswer
from deeper.engine.openai.connection import OFFICIAL_URL, Connection
from deeper.engine.openai.dialect import Dialect
from deeper.engine.openai.in_flight import Gate
from deeper.engine.openai.logprobs import label_log_probabilities
from deeper.engine.openai.model_list import list_models
from deeper.engine.openai.refusals import OF_THE_FORM, has_no_credit
from deeper.engine.openai.requests import generate_body, score_body, server_seed, texts_and_tokens, why_no_text
from deeper.engine.openai.responses import Answer, Choice, ErrorInside, Position
from deeper.engine.openai.stream import EndlessAnswer
from deeper.engine.protocol import (
    LOG_PROB_FLOOR,
    Completion,
    NoLogProbabilities,
    Prompt,
    Sampling,
    ScoreRequest,
    Usage,
)
from deeper.engine.server_settings import ServerSettings
from deeper.errors import UserError

Floats = NDArray[np.float64]
T = TypeVar("T")
log = logging.getLogger(__name__)

DEFAULTS = ServerSettings()


@dataclass(frozen=True)
class _Session:
    """What the requests of one `generate` or `score` call share."""

    client: openai.AsyncOpenAI
    limit: Gate


class OpenAIEngine:
    """A model behind an OpenAI-compatible server, called with as many requests at once as make it faster."""

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        adapter: str = "",
        concurrency: int = DEFAULTS.concurrency,
        timeout_seconds: float = DEFAULTS.timeout_seconds,
        retries: int = DEFAULTS.retries,
        extra: Mapping[str, Any] | None = None,
        key_variable: str = DEFAULTS.key_variable,
    ) -> None:
        """Set up the engine; nothing is sent yet.

        Args:
            model: The model's name on the server.
            base_url: The address without `/chat/completions`; None is OpenAI's own.
            api_key: None for servers without keys.
            adapter: Name of a LoRA adapter on the server; requests name it instead of the model.
            concurrency: The most requests in flight at once.
            timeout_seconds: The longest silence of the server; see `deeper.engine.openai.silence`.
            retries: Tries after the first.
            extra: More fields of each request.
            key_variable: Where the key comes from, for messages.

        Raises:
            UserError: The address, the key or the environment (proxies, certificates) cannot be used.
        """
        self.model = adapter or model
        self._name = f"{model}+{adapter}" if adapter else model
        connection = Connection(base_url or OFFICIAL_URL, (api_key or "").strip(), key_variable)
        self._server = Server(connection, timeout_seconds, retries, concurrency, dict(extra or {}))
        self.dialect = Dialect(f"openai:{self._name}")
        self._has_given_logprobs = self._lacks_logprobs = False
        self.unscored: dict[tuple[int, int], str] = {}

    @property
    def address(self) -> str:
        """The server's address without credentials."""
        return self._server.address

    @property
    def fingerprint(self) -> str:
        """Model, adapter, server, and more fields of each request."""
        extra = f" {json.dumps(self._server.extra, sort_keys=True)}" if self._server.extra else ""
        return " ".join(f"openai:{self._name}@{self._server.address}{extra}".split())

    @property
    def server_notes(self) -> Sequence[str]:
        """What the server refused so far, and what it is asked for instead."""
        return tuple(self.dialect.notes)

    @property
    def usage(self) -> Usage:
        """A copy of the counts so far, as the server gives them. Each try is a call, and counts when it ends."""
        return replace(self._server.usage)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Answer each prompt `sampling.n` times; see `Engine.generate`.

        At temperature 0 each prompt is sent once and its answer repeated. If a server refuses several choices or
        returns too few, the rest is requested one by one, each with its own seed. A server counts the tokens of
        all choices of a response together; they are divided among the choices by length.

        Raises:
            UserError: The server cannot be reached, or refuses the key or the model.
        """
        kind = f"texts of {sampling.max_tokens} tokens"
        return self._run(kind, lambda session: [self._complete(session, prompt, sampling) for prompt in prompts])

    def score(self, requests: Sequence[ScoreRequest]) -> list[Floats]:
        """Return log-probabilities of labels as answers; see `Engine.score`.

        Each continuation is one call. The server shows the 20 most likely alternatives at each position of a greedy
        answer; `label_log_probabilities` reads the labels from them.

        Raises:
            UserError: The server cannot be reached, refuses the key or the model, or gives no log-probabilities.
        """
        if self._lacks_logprobs and requests:
            raise self._no_logprobs()
        rows = self._run(
            "scores",
            lambda session: [
                self._row(session, Prompt(request.prompt.system, request.prompt.user + continuation), request.labels)
                for request in requests
                for continuation in request.continuations
            ],
        )
        places = [(i, j) for i, request in enumerate(requests) for j in range(len(request.continuations))]
        matrices = [np.full((len(request.continuations), len(request.labels)), np.nan) for request in requests]
        self.unscored = {}
        for (i, j), row in zip(places, rows, strict=True):
            if isinstance(row, str):
                self.unscored[i, j] = row
            else:
                matrices[i][j] = row
        return matrices

    def ask(self, body: dict[str, Any]) -> Answer:
        """Send one request in the form that the server accepts, without another try.

        Raises:
            UserError: The server cannot be reached, refuses the key or the model, or the account cannot pay.
            CallFailed: Anything else.
        """

        async def once(session: _Session) -> Answer:
            try:
                return await self._ask(session, body)
            except (openai.OpenAIError, TimeoutError, UnusableAnswer, EndlessAnswer) as error:
                raise CallFailed(self._server.reason(error)) from None

        return self._run("questions", lambda session: [once(session)])[0]

    def models(self) -> list[dict[str, Any]]:
        """Return what the server lists of its models, each with an `id`; empty if it lists none.

        Raises:
            UserError: The server cannot be reached, or refuses the key.
        """
        return self._run("questions", lambda session: [list_models(self._server, session.client)])[0]

    async def _complete(self, session: _Session, prompt: Prompt, sampling: Sampling) -> Completion:
        samples = sampling.n if sampling.temperature > 0 else 1
        try:
            answers = await self._answers(session, prompt, sampling, 0, samples)
            missing = range(len(answers), samples)
            more = await _together([self._answers(session, prompt, sampling, sample, 1) for sample in missing])
        except CallFailed as failure:
            return Completion((), failure=str(failure))
        answers += [answer for single in more for answer in single]
        texts, tokens = zip(*answers * (sampling.n // samples), strict=True)
        return Completion(texts, tokens)

    async def _answers(
        self, session: _Session, prompt: Prompt, sampling: Sampling, first: int, count: int
    ) -> list[tuple[str, int]]:
        """Ask for samples from number `first` on; return texts and token counts."""
        empty_answers = 0

        async def attempt() -> list[tuple[str, int]]:
            nonlocal empty_answers
            seed = server_seed(sampling.seed, first, empty_answers)
            answer = await self._ask(session, generate_body(self.model, prompt, sampling, seed, count))
            if found := texts_and_tokens(answer, sampling.json_schema is not None)[:count]:
                return found
            if reason := why_no_text(answer.choices, sampling.max_tokens):
                raise CallFailed(reason)
            empty_answers += 1
            raise UnusableAnswer("the answer is empty")

        async with session.limit:
            return await self._server.retrying(attempt)

    async def _row(self, session: _Session, prompt: Prompt, labels: Sequence[str]) -> Floats | str:
        """The log-probabilities of the labels, or why there are none."""
        body = score_body(self.model, prompt, labels)

        async def attempt() -> Floats:
            [choice, *_] = (await self._ask(session, body)).choices
            scores = label_log_probabilities(self._positions(choice), labels)
            if (scores > LOG_PROB_FLOOR).any():
                return scores
            # The answer is greedy, so another try would give the same.
            reasons = bool(choice.reasoning) or choice.positions[0].token.strip().startswith("<think")
            why = "the model reasons before it answers" if reasons else "the answer is not one of the labels"
            raise CallFailed(why)

        async with session.limit:
            try:
                return await self._server.retrying(attempt)
            except CallFailed as failure:
                if "logprob" in str(failure).lower() and (failure.is_refused or OF_THE_FORM.search(str(failure))):
                    raise self._no_logprobs() from None
                log.warning("a row could not be scored: %s", failure)
                return str(failure)

    async def _ask(self, session: _Session, body: dict[str, Any]) -> Answer:
        """Ask in the form that the server accepts.

        Raises:
            UserError: The account cannot pay, or what `Server.ask` raises.
            Exception: Anything else; `Server.retrying` decides about it.
        """
        try:
            return await self.dialect.ask(body, partial(self._server.ask, session.client))
        except (openai.APIStatusError, ErrorInside) as error:
            if has_no_credit(error):
                what = f"the account has no credit left: {self._server.reason(error)}"
                do = "add credit, or use another key or server; the same command continues the run"
                raise UserError(what, where=self._server.address, do=do) from None
            if isinstance(error, ErrorInside):
                raise UnusableAnswer(f"the server answered with an error: {error}") from None
            raise

    def _positions(self, choice: Choice) -> list[Position]:
        if any(position.top_logprobs for position in choice.positions):
            self._has_given_logprobs = True
            return choice.positions
        if choice.text and not self._has_given_logprobs:
            raise self._no_logprobs()
        raise UnusableAnswer("the answer has no log-probabilities")

    def _no_logprobs(self) -> NoLogProbabilities:
        self._lacks_logprobs = True
        return NoLogProbabilities(
            "the server gives no log-probabilities",
            where=self._server.address,
            do="use --readout structured, or a server that supports logprobs",
        )

    def _run(self, kind: str, jobs: Callable[[_Session], list[Coroutine[Any, Any, T]]]) -> list[T]:
        """Run the jobs of a session in an event loop of our own, even if one is running already (a notebook)."""

        async def session() -> list[T]:
            async with self._server.client() as client:
                return await _together(jobs(_Session(client, self._server.begin(kind))))

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(session())
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(session())).result()


async def _together(jobs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return results in the order of the jobs. The first error cancels the others and is raised unchanged."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
