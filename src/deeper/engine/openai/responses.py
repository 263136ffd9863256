"""What the OpenAI engine needs of a chat completion, checked: servers differ in everything else."""

from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat

Tokens = Annotated[int, Field(ge=0, lt=2**31)]
"""A count of tokens; one that no table of costs can hold is no count."""


class Alternative(BaseModel):
    """A token that could stand at a position, with its natural log-probability there."""

    token: str
    logprob: FiniteFloat = Field(le=1e-3)


class Position(Alternative):
    """The token that was generated at a position, and the likeliest that could have been."""

    top_logprobs: list[Alternative] = []


class Logprobs(BaseModel):
    """Log-probabilities of an answer, token by token."""

    content: list[Position] | None = None


class Message(BaseModel):
    """The text of an answer."""

    content: str | None = None


class Choice(BaseModel):
    """One of the answers to a prompt."""

    index: int = 0
    message: Message
    logprobs: Logprobs | None = None

    @property
    def text(self) -> str:
        """The answer without blanks around it; empty if there is none."""
        return (self.message.content or "").strip()

    @property
    def positions(self) -> list[Position]:
        """Its log-probabilities; empty if the server gave none."""
        return (self.logprobs.content if self.logprobs else None) or []


class CachedTokens(BaseModel):
    """How much of a prompt the server had computed before."""

    cached_tokens: Tokens | None = None


class TokenUsage(BaseModel):
    """Tokens that one call has cost."""

    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    prompt_tokens_details: CachedTokens | None = None


class Answer(BaseModel):
    """A chat completion."""

    choices: list[Choice] = Field(min_length=1)
    usage: TokenUsage | None = None
