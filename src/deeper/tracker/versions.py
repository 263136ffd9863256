"""A persona's history: each version with the words that changed, and the discrepancies behind the change."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from deeper.domains import Domain
from deeper.measure.metrics import mean_absolute_error
from deeper.measure.word_changes import Change, marked, word_changes
from deeper.tracker.tracked_user import TrackedUser

Row = dict[str, Any]
BY_USER = "user"
"""The method of a version that the user wrote."""


@dataclass(frozen=True)
class Discrepancy:
    """One item of the window that a version was written from, as the policy saw it.

    Attributes:
        title: The item's title.
        actual: The user's rating; None if there is none.
        predicted: The calibrated prediction from the version before, rounded to the scale. None if it failed, and in
            the first window, which has no prediction.
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
        method: "initialise", "refine" or an updater of your own, or "user" for a correction by the user.
        k: The last window that it has seen, W_k.
        time: When it was written.
        changes: The changes from the version before, word by word.
        discrepancies: The items of W_k that it was written from; none for a correction.
        error: Mean absolute error of the version before on the rated items of W_k; None without a prediction.
        leaks: Titles and ratings found in the text.
        failure: Why there is no new text; then the text is that of the version before. Empty if there is one.
        persona_id: A hash of the content.
        engine: Fingerprint of the engine that wrote it; empty for a correction.
        prompt_version: The version of the prompts; empty for a correction.
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
        """The changes in one line: [-deleted-] {+inserted+}."""
        return marked(self.changes)


def versions_of(tracked: TrackedUser, domain: Domain, first: int = 0) -> list[Version]:
    """Return the versions of a user's persona from number `first` on."""
    windows = tracked.windows
    return [_version(tracked, number, windows, domain) for number in range(first, len(tracked.versions))]


def _version(tracked: TrackedUser, number: int, windows: list[list[Row]], domain: Domain) -> Version:
    row = tracked.versions[number]
    before = tracked.versions[number - 1] if number else None
    prediction = tracked.predictions.get((before["id"], row["k"])) if before else None
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
