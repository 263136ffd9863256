"""What a tracker answers: what observing has led to, and predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.persona.predict import predict_row
from deeper.tracker.catch_up import Reader
from deeper.tracker.tracked_user import Person
from deeper.tracker.versions import Version, versions_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Observed:
    """What observing some events of a user has led to.

    Attributes:
        versions: New versions of the persona, in order.
        repeated: Events that were known already, and left out.
        waiting: Events that wait for their window to be whole.
        failure: Why a whole window could not be read; it is tried again. Empty if all were.
    """

    versions: tuple[Version, ...]
    repeated: int
    waiting: int
    failure: str


@dataclass(frozen=True)
class Prediction:
    """Ratings predicted from a user's current persona.

    Attributes:
        titles: Of the items.
        points: Predicted ratings, the medians; shape (items,); empty where the prediction failed.
        distribution: Probabilities of the scale's values; shape (items, values).
        values: The scale's values, ascending; shape (values,).
        calibrated: "domain", "pooled" or "off", as in a run.
        failure: Why there is no prediction; empty if there is one.
    """

    titles: tuple[str, ...]
    points: Floats
    distribution: Floats
    values: Floats
    calibrated: str
    failure: str


def observed(person: Person, known: int, repeated: int, domain: Domain) -> Observed:
    """What has come of a call: the versions behind the `known` first ones, and what waits."""
    return Observed(tuple(versions_of(person, domain, known)), repeated, person.in_window, person.failure)


def predict_titles(people: Sequence[Person], titles: Sequence[Sequence[str]], reader: Reader) -> list[Prediction]:
    """Predict titles of each user; one without a persona gets what the model predicts of anyone.

    Args:
        people: The users.
        titles: Of each, cleaned.
        reader: The predictor.
    """
    rows = [
        predict_row(
            {"id": "", "text": "", **(person.current or {}), "user": person.user, "domain": reader.domain.id},
            {person.next_k: [{"title": title} for title in wanted]},
        )
        for person, wanted in zip(people, titles, strict=True)
    ]
    values = reader.domain.scale.values
    return [
        Prediction(
            titles=tuple(wanted),
            points=np.array(row["points"], np.float64),
            distribution=np.array(row["distribution"], np.float64).reshape(len(row["points"]), len(values)),
            values=values,
            calibrated=row["calibrated"],
            failure=row["failure"],
        )
        for wanted, row in zip(titles, reader.read(rows), strict=True)
    ]
