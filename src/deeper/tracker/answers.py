"""What a tracker returns: the result of observing events, and predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.persona.predict import Asked
from deeper.tracker.models import Models
from deeper.tracker.tracked_user import TrackedUser
from deeper.tracker.versions import Version, versions_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Observed:
    """The result of observing events of a user.

    Attributes:
        versions: New versions of the persona, in order.
        repeated: The number of events that were known already and left out.
        waiting: The number of events that wait for their window to be full.
        failure: Why a full window gave no persona; the next call tries again. Empty if there is no such window.
    """

    versions: tuple[Version, ...]
    repeated: int
    waiting: int
    failure: str


@dataclass(frozen=True)
class Prediction:
    """Ratings predicted from a user's current persona.

    Attributes:
        titles: The items' titles.
        points: Predicted ratings, the medians; shape (items,). Empty if the prediction failed.
        distribution: Probabilities of the scale's values; shape (items, values).
        values: The scale's values, ascending; shape (values,).
        calibrated: The calibration that was applied, as in a run: "domain", "pooled" or "off".
        failure: Why there is no prediction; empty if there is one.
    """

    titles: tuple[str, ...]
    points: Floats
    distribution: Floats
    values: Floats
    calibrated: str
    failure: str


def observed(tracked: TrackedUser, known: int, repeated: int, domain: Domain) -> Observed:
    """Return the versions after the first `known` ones, and how many events wait."""
    return Observed(tuple(versions_of(tracked, domain, known)), repeated, tracked.in_window, tracked.failure)


def predict_titles(users: Sequence[TrackedUser], titles: Sequence[Sequence[str]], models: Models) -> list[Prediction]:
    """Predict ratings for titles of each user. Without a persona, the model predicts from an empty one.

    Args:
        users: The users.
        titles: Cleaned titles for each user.
        models: Whose predictor answers.
    """
    asked: list[Asked] = [
        (
            {"id": "", "text": "", **(tracked.current or {}), "user": tracked.user, "domain": models.domain.id},
            {tracked.next_k: [{"title": title} for title in its_titles]},
        )
        for tracked, its_titles in zip(users, titles, strict=True)
    ]
    values = models.domain.scale.values
    return [
        Prediction(
            titles=tuple(its_titles),
            points=np.array(row["points"], np.float64),
            distribution=np.array(row["distribution"], np.float64).reshape(len(row["points"]), len(values)),
            values=values,
            calibrated=row["calibrated"],
            failure=row["failure"],
        )
        for its_titles, row in zip(titles, models.predict(asked), strict=True)
    ]
