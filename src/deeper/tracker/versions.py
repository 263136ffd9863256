"""A persona's history: each version with what changed in it, and the discrepancies that it was changed for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from deeper.domains import Domain
from deeper.measure.metrics import mean_absolute_error
from deeper.measure.word_changes import Change, marked, word_changes
from deeper.tracker.tracked_user import Person

Row = dict[str, Any]
BY_USER = "user"
"""The method of a version that the user has written."""


@dataclass(frozen=True)
class Discrepancy:
    """One item of the window that a version has read, as its writer was shown it.

    Attributes:
        title: The item's.
        actual: The user's rating; None where there is none.
        predicted: The calibrated prediction from the version before, rounded to the scale; None where it failed, and of
            the first window, which nothing predicts.
    """

    title: str
    actual: float | None
    predicted: float | None


@dataclass(frozen=True)
class Version:
    """One version of a user's persona.

    Attributes:
        number: 0, 1, …
        text: The persona.
        method: "initialise", "refine", or "user" for a correction by the user.
        k: The last window that it has seen, W_k.
        time: When it was written.
        changes: Word by word against the version before.
        discrepancies: The items of W_k that it was written from; none for a correction.
        error: Mean absolute error, over the rated items of W_k, of what the version before predicted of it; None where
            nothing was predicted.
        leaks: Titles and ratings found in the text.
        failure: Why there is no new text (then it is the version before's); empty if there is one.
        persona_id: Content hash.
        engine: Fingerprint of the engine that wrote it; empty for a correction.
        prompt_version: Of the prompts.
    """

    number: int
    text: str
    method: str
    k: int
    time: datetime
    changes: tuple[Change, ...]
    discrepancies: tuple[Discrepancy, ...]
    error: float | None
    leaks: tuple[str, ...]
    failure: str
    persona_id: str
    engine: str
    prompt_version: str

    @property
    def marked(self) -> str:
        """The changes in one line: [-removed-] {+added+}."""
        return marked(self.changes)


def versions_of(person: Person, domain: Domain, first: int = 0) -> list[Version]:
    """The versions of a user's persona from number `first` on."""
    windows = person.windows
    return [_version(person, number, windows, domain) for number in range(first, len(person.versions))]


def _version(person: Person, number: int, windows: list[list[Row]], domain: Domain) -> Version:
    row = person.versions[number]
    before = person.versions[number - 1] if number else None
    prediction = person.predictions.get((before["id"], row["k"])) if before else None
    window = windows[row["k"]] if row["method"] != BY_USER else []
    ratings = np.array([item["rating"] for item in window], np.float64)
    rated = domain.is_rated(ratings)
    shown: list[float | None] = [None] * len(window)
    error = None
    if window and prediction and not prediction["failure"]:
        points = np.array(prediction["points"], np.float64)
        shown = domain.scale.round(points).tolist()
        error = mean_absolute_error(points[rated], ratings[rated]) if rated.any() else None
    return Version(
        number=number,
        **{name: row[name] for name in ("text", "method", "k", "time", "failure", "engine", "prompt_version")},
        changes=word_changes(before["text"] if before else "", row["text"]),
        discrepancies=tuple(
            Discrepancy(item["title"], item["rating"] if known else None, point)
            for item, known, point in zip(window, rated.tolist(), shown, strict=True)
        ),
        error=error,
        leaks=tuple(row["leaks"]),
        persona_id=row["id"],
    )
