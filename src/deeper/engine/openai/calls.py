"""Call an OpenAI-compatible server: which errors are retried, which fail one call, and which end the run."""

import asyncio
import email.utils
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai
from pydantic import ValidationError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from deeper.engine.openai.responses import Answer
from deeper.engine.protocol import Usage
from deeper.errors import UserError

T = TypeVar("T")

OFFICIAL_URL = "https://api.openai.com/v1"
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
LONGEST_RETRY_AFTER_SECONDS = 300.0
LONGEST_CONNECT_SECONDS = 10.0

TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
"""HTTP statuses below 500 that are retried."""
REFUSAL_ADVICE = {
    401: "set OPENAI_API_KEY to a key of this server",
    403: "use a key that has access to this model",
    404: "check the model's name and the end of OPENAI_BASE_URL (most servers want /v1)",
}
"""What the user can do about HTTP statuses that end the run."""


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
        base_url: The address without `/chat/completions`.
        api_key: Never shown anywhere.
        timeout_seconds: The longest time for one try, from connecting to the last byte.
        retries: Tries after the first.
        usage: Counts of calls and tokens.
        has_answered: Whether the server ever gave an HTTP response, of any status.
    """

    base_url: str
    api_key: str = field(repr=False)
    timeout_seconds: float
    retries: int
    usage: Usage = field(default_factory=Usage)
    has_answered: bool = False

    def __post_init__(self) -> None:
        """Refuse an address or a key that cannot be used in a request."""
        self.api_key = self.api_key.strip()
        if not (self.api_key.isascii() and self.api_key.isprintable() and " " not in self.api_key):
            raise UserError("the key has characters that keys cannot have", where="OPENAI_API_KEY", do="copy it again")
        try:
            parts = urlsplit(self.base_url)
            is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise UserError(
                "the server's address is not an http address",
                where=self.redact(self.base_url.rpartition("@")[2]),
                do="set OPENAI_BASE_URL, for example to http://localhost:8000/v1",
            )

    @property
    def host(self) -> str:
        """Host and port, without credentials."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def address(self) -> str:
        """The base address without credentials."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{self.host}{parts.path}"

    def redact(self, text: str) -> str:
        """Return one line of at most 200 characters, without the key."""
        line = " ".join(text.split())
        return line.replace(self.api_key, "***")[:200] if self.api_key else line[:200]

    def client(self) -> openai.AsyncOpenAI:
        """Make a client for one event loop. It does not retry: `retrying` does."""
        connect = min(self.timeout_seconds / 2, LONGEST_CONNECT_SECONDS)
        timeout = openai.Timeout(self.timeout_seconds, connect=connect)
        key = self.api_key or "none"  # the client requires a key; servers without keys ignore it
        return openai.AsyncOpenAI(base_url=self.base_url, api_key=key, max_retries=0, timeout=timeout)

    async def ask(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> Answer:
        """Send one request, once.

        Raises:
            UserError: The server cannot be reached, or refuses the key or the model.
            Exception: Anything else; `retrying` decides about it.
        """
        self.usage.calls += 1
        try:
            async with asyncio.timeout(self.timeout_seconds):
                response = await client.chat.completions.with_raw_response.create(**body)
        except openai.APIStatusError as error:
            self.has_answered = True
            if error.status_code in REFUSAL_ADVICE:
                what = f"the server refuses {body['model']!r}: {self.reason(error)}"
                raise UserError(what, where=self.address, do=REFUSAL_ADVICE[error.status_code]) from None
            raise
        except openai.APIConnectionError as error:
            if _is_unreachable(error) and not self.has_answered:
                raise self.unreachable() from None
            raise
        self.has_answered = True
        answer = Answer.model_validate_json(response.http_response.content)
        if answer.usage is not None:
            details = answer.usage.prompt_tokens_details
            self.usage.tokens_prompt += answer.usage.prompt_tokens
            self.usage.tokens_cached += (details.cached_tokens if details else None) or 0
            self.usage.tokens_generated += answer.usage.completion_tokens
        return answer

    async def retrying(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run `attempt`, and retry transient errors after growing random waits, never before `Retry-After`.

        Raises:
            UserError: The server cannot be reached, or refuses the key or the model.
            CallFailed: The last try failed, or another try cannot help.
        """
        policy = AsyncRetrying(
            stop=stop_after_attempt(self.retries + 1),
            wait=_wait,
            retry=retry_if_exception(_is_transient),
            reraise=True,
        )
        try:
            return await policy(attempt)
        except openai.APIConnectionError as error:
            if _is_unreachable(error):
                raise self.unreachable() from None
            raise CallFailed(self.reason(error)) from None
        except (openai.OpenAIError, ValidationError, TimeoutError, UnusableAnswer) as error:
            is_refused = isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError)
            raise CallFailed(self.reason(error), is_refused=is_refused) from None

    def unreachable(self) -> UserError:
        """Return the error for an address where no server listens."""
        return UserError(
            "the server cannot be reached",
            where=self.address,
            do="start the server, or set OPENAI_BASE_URL to the address of a running one",
        )

    def reason(self, error: Exception) -> str:
        """Say what happened, in one line without the key."""
        match error:
            case TimeoutError() | openai.APITimeoutError():
                return f"no answer within {self.timeout_seconds:g} s"
            case openai.APIStatusError():
                return self.redact(f"HTTP {error.status_code}: {_server_message(error)}")
            case openai.APIConnectionError():
                return self.redact(f"the connection was cut ({error.__cause__ or error})")
            case ValidationError():
                return "the answer is not a chat completion"
            case _:
                return self.redact(str(error) or type(error).__name__)


def _server_message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict) and "message" in body:
        return str(body["message"])
    return json.dumps(body) if isinstance(body, dict) else str(body or error.message)


def _is_unreachable(error: openai.APIConnectionError) -> bool:
    # Compared by name, because the client has changed its HTTP library between versions.
    return type(error.__cause__).__name__ in {"ConnectError", "ConnectTimeout"}


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in TRANSIENT_STATUS or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError | ValidationError | TimeoutError | UnusableAnswer)


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
