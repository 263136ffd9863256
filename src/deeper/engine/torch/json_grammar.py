"""Answers that must be JSON of a schema: which tokens may come next, by llguidance."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import llguidance
import numpy as np
import torch


class JsonGrammar:
    """Grammars over one tokeniser's vocabulary."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        """Keep what is needed; the vocabulary is read at the first use, which takes a second.

        Args:
            tokenizer: A fast tokeniser of transformers.
            vocabulary: Number of the model's logits.
            ends: Tokens that end an answer.
        """
        self._tokenizer, self._vocabulary, self._ends = tokenizer, vocabulary, list(ends)

    @cached_property
    def _tokens(self) -> llguidance.LLTokenizer:
        from llguidance.hf import from_tokenizer

        return from_tokenizer(self._tokenizer, self._vocabulary, self._ends)

    def state(self, schema: Mapping[str, Any]) -> "JsonState":
        """The beginning of an answer.

        Raises:
            ValueError: The schema is not one that can be followed.
        """
        # Blanks at will would only use up tokens, and a model that likes them never comes to an end.
        grammar = llguidance.LLMatcher.grammar_from_json_schema(
            json.dumps(schema),
            defaults={"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
        )
        matcher = llguidance.LLMatcher(self._tokens, grammar)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return JsonState(matcher, self._vocabulary)


class JsonState:
    """How far one answer has come."""

    def __init__(self, matcher: llguidance.LLMatcher, vocabulary: int) -> None:
        """Begin; made by `JsonGrammar.state`."""
        self._matcher, self._vocabulary = matcher, vocabulary

    def allowed(self) -> torch.Tensor:
        """Which tokens may come next; boolean, shape (vocabulary,)."""
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
        return torch.from_numpy(bits[: self._vocabulary].astype(np.bool_))

    def take(self, token: int) -> None:
        """Go on with a token that was allowed."""
        if not self._matcher.consume_token(token):
            raise ValueError(f"the token {token} was not allowed: {self._matcher.get_error()}")
