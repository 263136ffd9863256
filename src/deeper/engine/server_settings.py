"""How to call a server: one definition for flags, configuration files and Python arguments."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class ServerSettings(BaseModel):
    """How to call the server of an engine `openai:MODEL`.

    As text, such as a flag's, it is `NAME=VALUE,NAME=VALUE`; `extra` comes last and takes the rest.
    Fields that dumps exclude change how a server is called, not what it answers: a run continues with other values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(
        default="",
        description="address without /chat/completions, such as http://localhost:8000/v1; empty: OPENAI_BASE_URL, "
        "and OpenAI's own without that",
    )
    key_variable: str = Field(
        default="OPENAI_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the key",
        exclude=True,
    )
    timeout_seconds: float = Field(
        default=300.0,
        gt=0,
        le=86400,
        description="longest silence: no token for a request, and none for any request sent before it",
        exclude=True,
    )
    concurrency: int = Field(default=64, ge=1, le=1024, description="most requests in flight", exclude=True)
    retries: int = Field(default=4, ge=0, le=100, description="tries after the first", exclude=True)
    extra: str = Field(
        default="",
        description='more fields of each request, as a JSON object: {"chat_template_kwargs": {"enable_thinking": '
        "false}}",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        short, *extra = re.split(r"(?:^|,)\s*extra\s*=", given.strip(), maxsplit=1)
        parts = [part.partition("=") for part in short.split(",") if part.strip()]
        if wrong := [name for name, equals, _ in parts if not equals]:
            raise ValueError(f"{wrong[0].strip()!r} is not NAME=VALUE; choose from {', '.join(cls.model_fields)}")
        found = {name.strip(): value.strip() for name, _, value in parts}
        return {**found, "extra": extra[0]} if extra else found

    @field_validator("url")
    @classmethod
    def _without_key(cls, url: str) -> str:
        if "@" in url:
            raise ValueError("an address that is kept in files holds no password; name the key's variable instead")
        return url.strip()

    @field_validator("extra", mode="before")
    @classmethod
    def _as_json(cls, extra: Any) -> str:
        try:
            fields = json.loads(extra) if isinstance(extra, str) and extra.strip() else extra or {}
            if not isinstance(fields, Mapping):
                raise ValueError
            return json.dumps(fields, ensure_ascii=False, allow_nan=False, sort_keys=True) if fields else ""
        except (ValueError, TypeError, RecursionError):
            raise ValueError('this is not a JSON object, such as {"top_k": 20}') from None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of `extra`."""
        return json.loads(self.extra) if self.extra else {}
