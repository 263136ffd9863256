"""Call an OpenAI-compatible server: which errors are retried, which fail one call, and which end the run."""

import asyncio
import email.utils
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import openai
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from deeper.engine.openai.connection import Connection
from deeper.engine.openai.in_flight import Gate, InFlight
from deeper.engine.openai.responses import Answer
from deeper.engine.openai.silence import Silence
from deeper.engine.openai.stream import CutOff, EndlessAnswer, read_completion, receive
from deeper.engine.protocol import Usage
from deeper.errors import UserError

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
LONGEST_RETRY_AFTER_SECONDS = 300.0

TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
"""HTTP statuses below 500 that are retried."""
OVERLOADED_STATUS = frozenset({429, 503, 529})
"""HTTP statuses of servers that want fewer requests at once."""
REFUSAL_ADVICE = {
    401: "set {key} to a key of this server",
    403: "use a key that has access to this model",
    404: "check the model's name and the end of the server's address (most servers want /v1)",
}
"""What the user can do about HTTP statuses that end the run."""
FORMS: tuple[Mapping[str, Any], ...] = (
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
    {},
)
"""How to ask for an answer: a server that refuses one is asked in the next."""


class UnusableAnswer(Exception):
    """The server's answer lacks what was asked for; another try may help."""


class CallFailed(Exception):
    """A call failed after all retries; the message says why in one line, without the key."""

    def __init__(self, reason: str, *, is_refused: bool = False) -> None:
        """Keep the reason, and whether the server refused the request (it may accept another form of it)."""
        super().__init__(reason)
        self.is_refused = is_refused


@dataclass
class Server:
    """A server and how to call it.

    Attributes:
        connection: Its address and key.
        timeout_seconds: The longest silence; see `silence`.
        retries: Tries after the first.
        most_in_flight: The most requests at once.
        extra: More fields of each request.
        usage: Counts of calls and tokens. A call counts when it ends.
        has_answered: Whether the server ever gave an HTTP response, of any status.
        silence: When the server last gave a sign.
        form: The first of `FORMS` that the server has not refused.
    """

    connection: Connection
    timeout_seconds: float
    retries: int
    most_in_flight: int
    extra: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    has_answered: bool = False
    silence: Silence = field(default_factory=Silence)
    form: int = 0
    _has_been_silent: bool = False
    _numbers: dict[str, InFlight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with few requests at once."""
        self.in_flight = InFlight(self.most_in_flight)

    @property
    def address(self) -> str:
        """The base address without credentials."""
        return self.connection.address

    def client(self) -> openai.AsyncOpenAI:
        """Make a client for one event loop."""
        return self.connection.client(self.timeout_seconds)

    def begin(self, kind: str) -> Gate:
        """Begin to send requests of one kind; those of a kind have similar lengths. The gate lets them through."""
        self.in_flight = self._numbers.setdefault(kind, InFlight(self.most_in_flight))
        self.in_flight.begin()
        return Gate(self.in_flight)

    async def ask(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> Answer:
        """Send one request, once, and put its answer together as it arrives.

        Raises:
            UserError: The server cannot be reached, or refuses the key or the model.
            Exception: Anything else; `retrying` decides about it.
        """
        sent = self.in_flight.sent()
        try:
            answer = await self._answer(client, body)
        except openai.APIStatusError as error:
            if error.status_code in OVERLOADED_STATUS:
                self.in_flight.refused(sent)
            if error.status_code in REFUSAL_ADVICE:
                what = f"the server refuses {body['model']!r}: {self.reason(error)}"
                do = REFUSAL_ADVICE[error.status_code].format(key=self.connection.key_variable)
                raise UserError(what, where=self.address, do=do) from None
            raise
        except openai.APIConnectionError as error:
            if _is_unreachable(error) and not self.has_answered:
                raise self.unreachable() from None
            raise
        except TimeoutError:
            self.in_flight.refused(sent)
            self._tell_silence()
            raise
        finally:
            self.usage.calls += 1
        tokens = 0
        if answer.usage is not None:
            details = answer.usage.prompt_tokens_details
            self.usage.tokens_prompt += answer.usage.prompt_tokens
            self.usage.tokens_cached += (details.cached_tokens if details else None) or 0
            tokens = answer.usage.completion_tokens
            self.usage.tokens_generated += tokens
        self.in_flight.answered(sent, tokens)
        return answer

    async def _answer(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> Answer:
        """Send a request in the first form that the server accepts, and put the answer together."""
        async with self.silence.limited(self.timeout_seconds) as number:
            received = await self._received(client, body, number)
        try:
            return Answer.model_validate(read_completion(received))
        except CutOff as error:
            raise UnusableAnswer(str(error)) from None
        except ValueError:
            raise UnusableAnswer("the answer is not a chat completion") from None

    async def _received(self, client: openai.AsyncOpenAI, body: dict[str, Any], number: int) -> bytes:
        create = client.chat.completions.with_streaming_response.create
        for form in range(self.form, len(FORMS)):
            try:
                async with create(**{**body, **FORMS[form]}, extra_body=self.extra or None) as response:
                    self.has_answered = True
                    received = await receive(response, lambda: self.silence.heard(number))
            except openai.APIStatusError as error:
                self.has_answered = True
                self.silence.heard(number)
                if form + 1 < len(FORMS) and _is_refused(error) and "stream" in str(error):
                    continue  # if it was something else, it will be refused without a stream as well
                raise
            if form > self.form:
                self.form = form
                log.warning(
                    "note: %s refuses how answers are streamed; it is asked for them in another way", self.address
                )
            return received
        raise AssertionError("the last form either answers or raises")

    async def retrying(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run `attempt`, and retry transient errors after growing random waits, never before `Retry-After`.

        Raises:
            UserError: The server cannot be reached, refuses the key or the model, or answered nothing in all that time.
            CallFailed: The last try failed, or another try cannot help.
        """
        policy = AsyncRetrying(
            stop=stop_after_attempt(self.retries + 1),
            wait=_wait,
            retry=retry_if_exception(_is_transient),
            reraise=True,
        )
        began = asyncio.get_running_loop().time()
        try:
            return await policy(attempt)
        except openai.APIConnectionError as error:
            if _is_unreachable(error):
                raise self.unreachable() from None
            raise CallFailed(self.reason(error)) from None
        except TimeoutError as error:
            if self.silence.last_sign < began:
                raise self.silent() from None
            raise CallFailed(self.reason(error)) from None
        except (openai.OpenAIError, UnusableAnswer, EndlessAnswer) as error:
            raise CallFailed(self.reason(error), is_refused=_is_refused(error)) from None

    def unreachable(self) -> UserError:
        """Return the error for an address where no server listens."""
        do = "start the server, or set OPENAI_BASE_URL to the address of a running one"
        if proxies := self.connection.proxy_variables:
            do = f"{do}; requests go through the proxy of {proxies[0]}, unless NO_PROXY names the server"
        return UserError("the server cannot be reached", where=self.address, do=do)

    def silent(self) -> UserError:
        """Return the error for a server that takes requests and answers none."""
        return UserError(
            f"the server gave no answer within {self.timeout_seconds:g} s, in {self.retries + 1} tries",
            where=self.address,
            do="start the server again, or raise timeout_seconds of the server if it is only slow",
        )

    def _tell_silence(self) -> None:
        if not self._has_been_silent:
            self._has_been_silent = True
            what = f"no sign of an answer for {self.timeout_seconds:g} s; a request is sent again"
            log.warning("note: %s: %s. If the server is only slow, raise its timeout_seconds", self.address, what)

    def reason(self, error: Exception) -> str:
        """Say what happened, in one line without the key."""
        match error:
            case TimeoutError() | openai.APITimeoutError():
                return f"no answer within {self.timeout_seconds:g} s"
            case openai.APIStatusError():
                return self.connection.redact(f"HTTP {error.status_code}: {_server_message(error)}")
            case openai.APIConnectionError():
                return self.connection.redact(f"the connection was cut ({error.__cause__ or error})")
            case _:
                return self.connection.redact(str(error) or type(error).__name__)


def _server_message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict) and "message" in body:
        return str(body["message"])
    return json.dumps(body) if isinstance(body, dict) else str(body or error.message)


def _is_refused(error: Exception) -> bool:
    return isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError)


def _is_unreachable(error: openai.APIConnectionError) -> bool:
    # Compared by name, because the client has changed its HTTP library between versions.
    return type(error.__cause__).__name__ in {"ConnectError", "ConnectTimeout"}


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in TRANSIENT_STATUS or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError | TimeoutError | UnusableAnswer)


def _wait(state: RetryCallState) -> float:
    backoff = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)(state)
    error = state.outcome.exception() if state.outcome else None
    requested = _retry_after(error) if isinstance(error, openai.APIStatusError) else 0.0
    return max(backoff, min(requested, LONGEST_RETRY_AFTER_SECONDS))


def _retry_after(error: openai.APIStatusError) -> float:
    """Return the seconds that the server asks to wait (as a number or a date); 0 if it gives neither."""
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        try:
            date = email.utils.parsedate_tz(value)
            return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else 0.0
        except (ValueError, OverflowError, IndexError):  # no such date
            return 0.0
