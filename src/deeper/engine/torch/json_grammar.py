"""Which tokens may come next in an answer that must be JSON of a schema (by llguidance)."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import llguidance
import numpy as np
import torch


class JsonGrammar:
    """Makes grammars over one tokeniser's vocabulary."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        """Keep the arguments. The vocabulary is read at the first use, which takes a second.

        Args:
            tokenizer: A fast tokeniser of transformers.
            vocabulary: The number of the model's logits.
            ends: Tokens that end an answer.
        """
        self._tokenizer, self._vocabulary, self._ends = tokenizer, vocabulary, list(ends)

    @cached_property
    def _tokens(self) -> llguidance.LLTokenizer:
        from llguidance.hf import from_tokenizer

        return from_tokenizer(self._tokenizer, self._vocabulary, self._ends)

    def state(self, schema: Mapping[str, Any]) -> "JsonState":
        """Return the state at the beginning of an answer.

        Raises:
            ValueError: llguidance cannot follow the schema.
        """
        # Free white space would waste tokens, and some models would write it without end.
        grammar = llguidance.LLMatcher.grammar_from_json_schema(
            json.dumps(schema),
            defaults={"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
        )
        matcher = llguidance.LLMatcher(self._tokens, grammar)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return JsonState(matcher, self._vocabulary)


class JsonState:
    """The grammar's state within one answer."""

    def __init__(self, matcher: llguidance.LLMatcher, vocabulary: int) -> None:
        """Start an answer; use `JsonGrammar.state`."""
        self._matcher, self._vocabulary = matcher, vocabulary

    def allowed(self) -> torch.Tensor:
        """Return which tokens may come next; boolean, shape (vocabulary,)."""
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
        return torch.from_numpy(bits[: self._vocabulary].astype(np.bool_))

    def take(self, token: int) -> None:
        """Add an allowed token to the answer.

        Raises:
            ValueError: The token was not allowed.
        """
        if not self._matcher.consume_token(token):
            raise ValueError(f"the token {token} was not allowed: {self._matcher.get_error()}")
