"""The error for a value that cannot be used, and how a message shows the value."""

MAX_CHARACTERS_SHOWN = 60
"""Characters of a bad value that a message shows."""


class BadValue(ValueError):
    """A value that cannot be used.

    Attributes:
        reason: What is wrong, in the same words for all such values ("is not a number").
    """

    def __init__(self, reason: str, message: str = "") -> None:
        """Describe the value.

        Args:
            reason: What is wrong.
            message: The same with the value ("is 'good', which is not a number"); `reason` by default.
        """
        self.reason = reason
        super().__init__(message or reason)


def is_not(value: object, what: str) -> BadValue:
    """Return the error for a value that is not what it should be ("a number")."""
    return BadValue(f"is not {what}", f"is {shown(value)}, which is not {what}")


def shown(value: object) -> str:
    """Return the value's repr, shortened."""
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        return "a very long number"
    return text if len(text) <= MAX_CHARACTERS_SHOWN else f"{text[:MAX_CHARACTERS_SHOWN]}…"
