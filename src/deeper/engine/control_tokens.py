"""Text of users must never reach a model as control tokens (the end of a turn, another role)."""

from collections.abc import Sequence


def as_text(text: str, control_tokens: Sequence[str]) -> str:
    """Write what looks like a control token so that the tokeniser reads it as text: `<|im_end|>` as `< |im_end|>`.

    Args:
        text: Any text.
        control_tokens: Texts that the tokeniser reads as control tokens.
    """
    for token in control_tokens:
        if token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
