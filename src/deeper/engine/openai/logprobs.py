"""Log-probabilities of rating labels, read from the top alternatives that an OpenAI-like server shows."""

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.engine.openai.responses import Alternative, Position
from deeper.engine.protocol import LOG_PROB_FLOOR

Floats = NDArray[np.float64]

CONTINUES_LABEL = re.compile(r"\w|[.,]\d")
"""What, behind a label, makes it another word or number."""


def label_log_probabilities(positions: Sequence[Position], labels: Sequence[str]) -> Floats:
    """Log-probability that an answer begins as only one label can, for each label.

    The probability of each alternative at the answer's first position goes to the label that it begins,
    whatever the tokeniser: "3.5" may be one token or "3", ".", "5", with or without a leading blank. An
    alternative that begins several labels ("3" of "3" and "3.5") is resolved at the following positions if it
    is what the model generated, because only along the generated path does a server show what follows. There,
    "3" gets everything that does not go on as a longer label or another number, since servers name the end of
    an answer differently or leave it out. Off the path such an alternative is split evenly between the labels
    that it begins. Blanks alone tell nothing and count only on the path. A label that is not seen gets
    `LOG_PROB_FLOOR`.

    Args:
        positions: Generated tokens with their alternatives, from the answer's first token on.
        labels: The possible answers, all different.

    Returns:
        Natural logs, shape (labels,), from `LOG_PROB_FLOOR` to 0; their exponentials sum to at most 1 (floors apart).
    """
    mass = dict.fromkeys(labels, 0.0)
    path, path_mass = "", 1.0
    for depth, position in enumerate(positions):
        is_last = depth == len(positions) - 1
        followed, gone_on = False, 0.0
        for alternative in _alternatives(position):
            text = (path + alternative.token).lstrip()
            begun = _begun(text, labels)
            if path in mass and (text == path or begun == [path]):
                continue  # the answer is the whole label `path`, which gets what is left below
            probability = math.exp(min(0.0, alternative.logprob))
            gone_on += probability
            if alternative.token == position.token:
                followed = not is_last and (len(begun) > 1 or not text)
                if followed:
                    continue
                begun = [text] if text in mass else begun  # the path ends here, and so does the label
            for label in begun if text else ():
                mass[label] += path_mass * probability / len(begun)
        if path in mass:
            mass[path] += path_mass * max(0.0, 1 - gone_on)
        if not followed:
            break
        path = (path + position.token).lstrip()
        path_mass *= math.exp(min(0.0, position.logprob))
    logs = [math.log(value) if value > 0 else LOG_PROB_FLOOR for value in mass.values()]
    return np.clip(np.array(logs), LOG_PROB_FLOOR, 0.0)


def _alternatives(position: Position) -> list[Alternative]:
    shown = position.top_logprobs
    is_shown = any(alternative.token == position.token for alternative in shown)
    return list(shown) if is_shown else [*shown, position]


def _begun(text: str, labels: Sequence[str]) -> list[str]:
    """The labels that an answer with this beginning may turn out to be."""
    longer = [label for label in labels if label.startswith(text)]
    ended = [label for label in labels if text.startswith(label) and not CONTINUES_LABEL.match(text[len(label) :])]
    return longer or ended[:1]
