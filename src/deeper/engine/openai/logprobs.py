"""Read log-probabilities of labels from the top alternatives that an OpenAI-compatible server shows."""

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.engine.openai.responses import Alternative, Position
from deeper.engine.protocol import LOG_PROB_FLOOR

Floats = NDArray[np.float64]

CONTINUES_LABEL = re.compile(r"\w|[.,]\d")
"""Text after a label that makes it another word or number."""


def label_log_probabilities(positions: Sequence[Position], labels: Sequence[str]) -> Floats:
    """Return the log-probability of each label as the answer.

    Each alternative at the answer's first position gives its probability to the label that it begins. This does not
    depend on the tokeniser: "3.5" may be one token or "3", ".", "5", with or without a leading blank.

    An alternative may begin several labels ("3" begins "3" and "3.5"). If the model generated it, the following
    positions decide, because a server shows what follows only along the generated path. There, "3" gets all probability
    that does not continue to a longer label or another number; servers name the end of an answer differently, or leave
    it out. If the model did not generate it, its probability is split evenly between the labels. Blanks alone count
    only on the generated path.

    Args:
        positions: The generated tokens with their alternatives, from the answer's first token on.
        labels: The possible answers; no two are equal.

    Returns:
        Natural logs, shape (labels,), from `LOG_PROB_FLOOR` (a label that is not seen) to 0. Their exponentials sum to
        at most 1, floors apart.
    """
    mass = dict.fromkeys(labels, 0.0)
    path, path_mass = "", 1.0
    for depth, position in enumerate(positions):
        is_last = depth == len(positions) - 1
        followed, continued = False, 0.0
        if position.logprob is None:  # nothing is known about what follows `path`
            for label in (begun := _labels_begun_by(path, labels) if path else []):
                mass[label] += path_mass / len(begun)
            break
        for token, probability in _alternatives(position):
            text = (path + token).lstrip()
            begun = _labels_begun_by(text, labels)
            if path in mass and (text == path or begun == [path]):
                continue  # the answer is the whole label `path`, which gets the remaining probability below
            continued += probability
            if token == position.token:
                followed = not is_last and (len(begun) > 1 or not text)
                if followed:
                    continue
                begun = [text] if text in mass else begun  # the path ends here, and the label with it
            for label in begun if text else ():
                mass[label] += path_mass * probability / len(begun)
        if path in mass:
            mass[path] += path_mass * max(0.0, 1 - continued)
        if not followed:
            break
        path = (path + position.token).lstrip()
        path_mass *= math.exp(min(0.0, position.logprob))
    logs = [math.log(value) if value > 0 else LOG_PROB_FLOOR for value in mass.values()]
    return np.clip(np.array(logs), LOG_PROB_FLOOR, 0.0)


def _alternatives(position: Position) -> list[tuple[str, float]]:
    """The tokens with their probabilities, the generated one among them; those without a probability are left out."""
    shown: list[Alternative] = [item for item in position.top_logprobs if item.logprob is not None]
    if not any(item.token == position.token for item in shown):
        shown.append(position)
    return [(item.token, math.exp(min(0.0, item.logprob))) for item in shown if item.logprob is not None]


def _labels_begun_by(text: str, labels: Sequence[str]) -> list[str]:
    """Return the labels that an answer with this beginning may become."""
    longer = [label for label in labels if label.startswith(text)]
    ended = [label for label in labels if text.startswith(label) and not CONTINUES_LABEL.match(text[len(label) :])]
    return longer or ended[:1]
