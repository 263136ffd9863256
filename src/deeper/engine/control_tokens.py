"""Keeps control tokens (end of a turn, another role) out of text that comes from users."""

from collections.abc import Sequence


def as_text(text: str, control_tokens: Sequence[str]) -> str:
    """Split everything that looks like a control token, so the tokeniser reads `<|im_end|>` as `< |im_end|>`.

    Args:
        text: Any text.
        control_tokens: The strings that the tokeniser reads as control tokens.
    """
    for token in control_tokens:
        if token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
