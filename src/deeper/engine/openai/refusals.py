"""What a server says when it does not answer: which words of it are read, and what they are about."""

import json
import re
from typing import Any, cast

import openai

from deeper.engine.openai.responses import ErrorInside

READ_FIELDS = ("error", "detail", "errors", "message", "msg", "param", "loc", "code", "type", "description", "metadata")
"""Fields of an error that say what is wrong. Others may repeat the request, which names every parameter."""
NO_CREDIT_STATUS = 402
NO_CREDIT = re.compile(
    r"insufficient[_ ](quota|balance|funds|credit)|exceeded your current quota|(credit|account) balance is too low"
    r"|billing[_ ](hard[_ ])?(limit|not[_ ]active)|requires more credits|out of credits",
    re.IGNORECASE,
)
PASSES = re.compile(r"(retry|try again) in|per[_ -]?minute", re.IGNORECASE)
"""Some servers speak of the quota when they mean the requests of one minute."""
OF_THE_PROMPT = re.compile(
    r"context[ _](length|window|size)|prompt is too long|too (long|large)|too many tokens|reduce the length"
    r"|content.{0,20}(filter|policy)|moderation|(generate|validate) json|json_validate_failed",
    re.IGNORECASE,
)
"""Refusals of one prompt or of one answer: another form of the request would not help."""
OF_THE_FORM = re.compile(
    r"jinja|template|not (supported|implemented)|unsupported|does(n't| not) support|must alternate", re.IGNORECASE
)
"""What servers say that answer a form of request that they do not know with an internal error."""
REFUSED_STATUS = frozenset({400, 415, 422, 501})


def complaint(error: openai.APIStatusError | ErrorInside) -> str:
    """Return what the server says is wrong: its message, and the parameter that it names."""
    body: Any = error.body
    return " ".join(_said(body)) or str(error)


def _said(value: Any, depth: int = 0) -> list[str]:
    if depth > 5:
        return []
    if isinstance(value, str):
        if value.lstrip()[:1] in ("{", "["):  # some servers put the error of another server into their own
            try:
                return _said(json.loads(value), depth + 1)
            except ValueError:
                pass
        return [value]
    if isinstance(value, list):
        return [text for item in cast(list[Any], value) for text in _said(item, depth + 1)]
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        return [text for name in READ_FIELDS if fields.get(name) for text in _said(fields[name], depth + 1)]
    return []


def has_no_credit(error: openai.APIStatusError | ErrorInside) -> bool:
    """Whether the account cannot pay: no other request will pass."""
    said = complaint(error)
    return _status(error) == NO_CREDIT_STATUS or bool(NO_CREDIT.search(said) and not PASSES.search(said))


def is_about_the_form(error: openai.APIStatusError | ErrorInside) -> bool:
    """Whether another form of the request may pass."""
    said, status = complaint(error), _status(error)
    if has_no_credit(error) or (OF_THE_PROMPT.search(said) and "logprob" not in said.lower()):
        return False
    return status in REFUSED_STATUS or (status >= 500 and bool(OF_THE_FORM.search(said)))


def _status(error: openai.APIStatusError | ErrorInside) -> int:
    if isinstance(error, openai.APIStatusError):
        return error.status_code
    code = cast(dict[str, Any], error.body).get("code") if isinstance(error.body, dict) else None
    return code if isinstance(code, int) else 400
