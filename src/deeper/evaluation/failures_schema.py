"""What failed in a run, as `results.json` holds it."""

from deeper.storage.frozen_values import FrozenValues


class MissingError(FrozenValues):
    """An error that a chosen method should have and has not: calls failed, or the baseline is not available.

    It has the place of an `ErrorEntry`, and a `mae` that is null.
    """

    domain: str
    method: str
    round: int
    role: str
    mae: None = None
    prediction: str
    reason: str


class FailedCalls(FrozenValues):
    """The calls of a method that failed.

    Attributes:
        method: The method; "initialise" for first personas, which methods share.
        what: What was asked for: "personas", "predictions" or "directions".
        failed: How many of them failed.
        calls: How many were asked for.
        reason: The commonest reason.
        asked_again: Whether the same command asks them again; a model on this machine would fail again.
    """

    method: str
    what: str
    failed: int
    calls: int
    reason: str
    asked_again: bool
