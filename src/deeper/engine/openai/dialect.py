"""What a server accepts: learnt once from what it refuses, said aloud once, and remembered for the run.

Servers name a refused parameter in the text of an error. A change of the request that the text names is tried first. If
it names nothing known, each change is tried alone, once for each kind of request. A change is kept only if the server
then answers, or no longer complains of it, so a prompt that is refused for its own sake teaches nothing.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import openai

from deeper.engine.openai.refusals import complaint, is_about_the_form
from deeper.engine.openai.responses import Answer, ErrorInside

Body = dict[str, Any]
Send = Callable[[Body], Awaitable[Answer]]
log = logging.getLogger(__name__)

FEW_ALTERNATIVES = 5
"""Alternatives to ask for where a server refuses more and does not say how many it shows."""
LEAST_TEMPERATURE = 0.01
"""In place of 0, where a server wants more than 0."""
BOUND = re.compile(
    r"(?:at most|maximum(?: allowed)?(?: value)?(?: of| is)?|max allowed:?|or equal to|<=|≤|more than|up to|and)"
    r"\D{0,3}(\d+)|\[0, ?(\d+)\]"
)


def _limit_as_max_completion_tokens(body: Body, said: str) -> Body:
    return {("max_completion_tokens" if name == "max_tokens" else name): value for name, value in body.items()}


def _fewer_alternatives(body: Body, said: str) -> Body:
    asked = body.get("top_logprobs", 0)
    bounds = [int(number) for found in BOUND.findall(said) for number in found if number and 0 < int(number) < asked]
    fewer = max(bounds, default=FEW_ALTERNATIVES)
    return {**body, "top_logprobs": fewer} if asked > fewer else body


def _more_than_zero(body: Body, said: str) -> Body:
    return {**body, "temperature": LEAST_TEMPERATURE} if body.get("temperature") == 0 else body


def _json_mode(body: Body, said: str) -> Body:
    is_schema = body.get("response_format", {}).get("type") == "json_schema"
    return {**body, "response_format": {"type": "json_object"}} if is_schema else body


def _without(name: str, body: Body, said: str) -> Body:
    return {key: value for key, value in body.items() if key != name}


def _system_in_user_message(body: Body, said: str) -> Body:
    texts = [message["content"] for message in body["messages"]]
    return {**body, "messages": [{"role": "user", "content": "\n\n".join(texts)}]} if len(texts) > 1 else body


@dataclass(frozen=True)
class Change:
    """A change of a request that a server may need.

    Attributes:
        named: How texts of errors name what is refused.
        make: Returns the changed body, or an equal one where there is nothing to change; reads the error's text.
        note: The message that the user sees. It may name a field of the changed body in braces.
    """

    named: re.Pattern[str]
    make: Callable[[Body, str], Body]
    note: str


def _change(named: str, make: Callable[[Body, str], Body], note: str) -> Change:
    return Change(re.compile(named, re.IGNORECASE | re.DOTALL), make, note)


_JSON = r"response[_ ]?format|json[_ ](schema|object|mode)|structured[_ ]output|guided|grammar|invalid schema"
CHANGES: Sequence[Change] = (
    _change(_JSON, _json_mode, "takes no JSON schema, so JSON mode is used and each answer is checked"),
    _change(
        _JSON,
        partial(_without, "response_format"),
        "takes neither a JSON schema nor JSON mode, so JSON is read from plain text, strictly",
    ),
    _change(r"\bseed\b", partial(_without, "seed"), "takes no seed, so its answers cannot be repeated"),
    _change(
        r"\bn\b|one (completion )?choice|multiple (choices|completions)",
        partial(_without, "n"),
        "gives one answer to a request, so samples are requested one by one",
    ),
    _change(
        r"^(?=.*logprobs)"
        r".*(at most|maximum|max allowed|less than|<=|≤|greater|more than|between|up to|exceed|range|\[0)",
        _fewer_alternatives,
        "shows at most {top_logprobs} alternatives, so more labels get the floor probability",
    ),
    _change(
        r"max_completion_tokens|max_tokens.*(unsupported|not (supported|permitted|allowed)|unknown|unrecognized|extra)"
        r"|(unsupported|unknown|unrecognized|extra|cannot find).*max_tokens",
        _limit_as_max_completion_tokens,
        "takes max_completion_tokens in place of max_tokens",
    ),
    _change(
        r"temperature.*(positive|greater than|> ?0|at least)",
        _more_than_zero,
        "wants a temperature above 0; it gets 0.01",
    ),
    _change(r"temperature", partial(_without, "temperature"), "takes no temperature, so it samples with its own"),
    _change(
        r"system.{0,30}(role|message|prompt|instruction)|roles?\b.{0,60}system|roles must alternate"
        r"|developer instruction|only user and assistant",
        _system_in_user_message,
        "takes no system message, so its text begins the user message",
    ),
)
"""In the order in which they are tried where a text names nothing known; later ones change more of what is asked."""


@dataclass
class Dialect:
    """What one server and model accept.

    Attributes:
        who: Names them in notes.
        tell: Says a note aloud.
        notes: What was learnt, in order.
    """

    who: str
    tell: Callable[[str], None] = log.warning
    notes: list[str] = field(default_factory=list[str])
    _learnt: list[tuple[Change, str]] = field(default_factory=list[tuple[Change, str]])
    _known: set[frozenset[str]] = field(default_factory=set[frozenset[str]])
    _lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def translate(self, body: Body) -> Body:
        """Return the body as the server accepts it, as far as that is known."""
        for change, said in self._learnt:
            body = change.make(body, said)
        return body

    async def ask(self, body: Body, send: Send) -> Answer:
        """Send a request in the form that the server accepts; learn from refusals.

        Args:
            body: The request, with everything that we would like to ask for.
            send: Sends a body once.

        Raises:
            Exception: What `send` raised, if no form of the request passes.
        """
        while True:
            sent = self.translate(body)
            try:
                answer = await send(sent)
            except (openai.APIStatusError, ErrorInside) as error:
                if not is_about_the_form(error):
                    raise
                refusal = error
            else:
                self._known.add(_kind(sent))
                return answer
            # Requests in flight are refused together: one of them finds out why, and the others wait for it.
            async with self._one_at_a_time():
                if self.translate(body) == sent and (found := await self._learn(sent, refusal, send)):
                    return found

    async def _learn(self, sent: Body, refusal: openai.APIStatusError | ErrorInside, send: Send) -> Answer | None:
        """Find the change that the server needs, and return its answer; None if it now complains of something else."""
        said = complaint(refusal)
        for change in self._suspects(sent, said):
            changed, answer = change.make(sent, said), None
            try:
                answer = await send(changed)
            except (openai.APIStatusError, ErrorInside) as error:
                if not is_about_the_form(error):
                    raise
                if not change.named.search(said) or change.named.search(complaint(error)):
                    continue
            self._learnt.append((change, said))
            self.notes.append(f"{self.who} {change.note.format_map(changed)}")
            self.tell(f"note: {self.notes[-1]}")
            return answer
        raise refusal

    def _suspects(self, sent: Body, said: str) -> list[Change]:
        possible = [change for change in CHANGES if change.make(sent, said) != sent]
        if named := [change for change in possible if change.named.search(said)]:
            return named
        if "logprob" in said.lower():
            return []  # it gives none, in whatever form
        # A kind of request that has passed, or that nothing could help, is refused for its prompt.
        is_new = _kind(sent) not in self._known
        self._known.add(_kind(sent))
        return possible if is_new else []

    def _one_at_a_time(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()  # each call of the engine has its own loop, and a lock belongs to one
        if self._lock is None or self._lock[0] is not loop:
            self._lock = (loop, asyncio.Lock())
        return self._lock[1]


def _kind(body: Body) -> frozenset[str]:
    return frozenset({*body, str(body.get("response_format", {}).get("type"))})
