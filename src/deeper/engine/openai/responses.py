"""The parts of a chat completion that the OpenAI engine reads, validated. Servers differ in all other parts."""

from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat

Tokens = Annotated[int, Field(ge=0, lt=2**31)]
"""A count of tokens that fits into 32 bits."""


class Alternative(BaseModel):
    """A possible token at a position, with the natural log of its probability."""

    token: str
    logprob: FiniteFloat = Field(le=1e-3)


class Position(Alternative):
    """The generated token at a position, and the most likely alternatives."""

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
        """The answer without surrounding white space; empty if there is none."""
        return (self.message.content or "").strip()

    @property
    def positions(self) -> list[Position]:
        """The tokens with their log-probabilities; empty if the server gave none."""
        return (self.logprobs.content if self.logprobs else None) or []


class CachedTokens(BaseModel):
    """How many tokens of the prompt came from the server's cache."""

    cached_tokens: Tokens | None = None


class TokenUsage(BaseModel):
    """Tokens that one call used."""

    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    prompt_tokens_details: CachedTokens | None = None


class Answer(BaseModel):
    """A chat completion."""

    choices: list[Choice] = Field(min_length=1)
    usage: TokenUsage | None = None
