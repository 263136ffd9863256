"""Planted taste in words, and a scripted predictor that reads these words and nothing else.

Together they test the evaluation itself: a persona that states the user's planted taste must beat the user median, and
another user's planted taste must not.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.behaviour.levels import LADDER, rung_indices, verdict_words
from deeper.behaviour.planted.plant import DRIFT_WINDOWS, DRIFTS, KINDS, level_at, liked_at
from deeper.domains import Scale
from deeper.engine.protocol import Prompt
from deeper.errors import UserError

Floats = NDArray[np.float64]

SPREAD_SHARE = 0.12
"""Standard deviation of the predicted distribution, as a share of the scale's range."""

_VERDICT = re.compile(r"usual verdict is ([a-z ]+?)\.")
_VERDICT_ON = re.compile(r"verdict on ([a-z, ]+?) is ([a-z ]+?)\.")
_DRIFT = re.compile(r"mood is (" + "|".join(sorted(DRIFTS, key=len, reverse=True)) + r")\.")


def planted_persona(truth: Mapping[str, Any], k: int, scale: Scale) -> str:
    """The planted taste of a user up to window k, in words: no digits, no titles, nothing of later windows.

    Args:
        truth: A row of a `TRUTH` table.
        k: The last window that the persona covers.
        scale: The domain's scale.
    """
    level, spread = level_at(truth, k), truth["spread"]
    likes, dislikes = _listed(liked_at(truth, k)), _listed(truth["disliked"])
    return (
        f"This person's usual verdict is {verdict_words(level, scale)}."
        f" The verdict on {likes} is {verdict_words(level + spread, scale)}."
        f" The verdict on {dislikes} is {verdict_words(level - spread, scale)}."
        f" The mood is {truth['drift'] if k < DRIFT_WINDOWS else 'steady'}."
    )


def planted_predictor(scale: Scale) -> Callable[[Prompt, str, Sequence[str]], Floats]:
    """The score function of a scripted engine that reads the words of `planted_persona`.

    It takes a prompt (the persona is in its user message), a continuation (the item's title is in it) and the labels.
    It returns their natural log-probabilities, shape (labels,): a discretised Gaussian around the verdict on the kind
    of item that the title names. The distribution is flat where the persona gives no verdict.

    Raises:
        UserError: The scale has more values than there are verdict words.
    """
    _words(scale)

    def score(prompt: Prompt, continuation: str, labels: Sequence[str]) -> Floats:
        values = np.array([float(label) for label in labels])
        expected = _expected(prompt.user, continuation, scale)
        distance = np.zeros(len(values)) if expected is None else values - expected
        scores = -0.5 * np.square(distance / (SPREAD_SHARE * (scale.maximum - scale.minimum)))
        return scores - np.logaddexp.reduce(scores)

    return score


def _words(scale: Scale) -> list[str]:
    count = len(scale.values)
    if count > len(LADDER):
        raise UserError(
            f"the scale has {count} values, but there are verdict words for only {len(LADDER)}",
            do="plant users on a coarser scale",
        )
    return [LADDER[rung] for rung in rung_indices(scale)]


def _listed(kinds: Sequence[str]) -> str:
    return ", ".join(kind.lower() for kind in kinds)


def _expected(persona: str, title: str, scale: Scale) -> float | None:
    """The rating of the title one window later, by the persona; None where the persona gives no verdict."""
    if not (found := _VERDICT.search(persona)):
        return None
    verdict = found[1]
    named = [kind.lower() for kind in KINDS if re.search(rf"\b{kind}\b", title, re.IGNORECASE)]
    for match in _VERDICT_ON.finditer(persona):
        if set(named) & set(match[1].split(", ")):
            verdict = match[2]
    drift = _DRIFT.search(persona)
    change = DRIFTS[drift[1]] * scale.step if drift else 0.0
    rating = _rating(verdict, scale)
    return None if rating is None else rating + change


def _rating(verdict: str, scale: Scale) -> float | None:
    """The rating that verdict words mean; None if they are not words of this scale."""
    words = _words(scale)
    parts = verdict.removeprefix("between ").split(" and ")
    if any(word not in words for word in parts):
        return None
    return float(np.mean([scale.values[words.index(word)] for word in parts]))
