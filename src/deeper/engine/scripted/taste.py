"""The engine `scripted:taste`: rules that write and read the taste of planted users, to test updaters in seconds.

It is no model. It knows nothing but the prompt: no truth, no user, no earlier call. As policy it reads the ratings that
the prompt lists, the predictions beside them and the persona so far, and writes the taste in the sentences of
`domains.taste_words`. So what an updater shows decides what is written. As predictor it reads these sentences (or, in
their place, listed ratings) and the kind that the title names ("The Silent Harbour: A Mystery").

The estimate is a ridge regression: a level, and a deviation for each kind, drawn towards the old persona. A prompt that
shows neither ratings nor a taste is answered as by `scripted`.
"""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.domains.levels import LADDER
from deeper.domains.taste_words import DRIFTS, Taste, in_words, read_tastes
from deeper.engine.protocol import Prompt, Sampling
from deeper.engine.scripted.engine import ScriptedEngine

Floats = NDArray[np.float64]

SPREAD_SHARE = 0.12
"""Standard deviation of a predicted distribution, as a share of the scale's range."""
OLD_LEVEL, OLD_KIND, NEW_KIND = 5.0, 1.0, 0.4
"""Weight, in ratings, of the persona's level and of its verdict on a kind; of "no deviation" for any other kind."""
FITS = 5
"""How often level and kinds are fitted in turn."""
SAMPLED_SHARE = 1 / (2 * len(LADDER) - 2)
"""Standard deviation of a sample's verdicts at temperature 1: half a step of the ladder."""

_ENDS = re.compile(r"from (-?[\d.]+) \(best\) to (-?[\d.]+) \(worst\)")
_LINE = re.compile(r'^(?:actual )?(-?[\d.]+)(?:, predicted (?:(-?[\d.]+)|unknown)[^:"]*)?: (".*")$', re.MULTILINE)
_TITLE = re.compile(r'"(?:[^"\\]|\\.)*"')
_KIND = re.compile(r': An? (\w+)"$')


@dataclass(frozen=True)
class _Rated:
    """One listed rating, and the prediction beside it, as shares of the scale."""

    actual: float
    predicted: float | None
    kind: str


class TasteEngine(ScriptedEngine):
    """The engine `scripted:taste`. Words count as tokens."""

    def __init__(self) -> None:
        """Make it; it keeps nothing but its usage and what it was asked."""
        super().__init__()
        self.fingerprint = "scripted:taste"

    def _texts(self, prompt: Prompt, sampling: Sampling) -> tuple[str, ...]:
        texts = _ratings(prompt, sampling) if sampling.json_schema is not None else _personas(prompt, sampling)
        return super()._texts(prompt, sampling) if texts is None else texts

    def _row(self, prompt: Prompt, continuation: str, labels: Sequence[str]) -> Sequence[float] | Floats:
        if not _asks_for_a_score(prompt):
            return super()._row(prompt, continuation, labels)
        return taste_scores(prompt, continuation, labels)


def taste_scores(prompt: Prompt, continuation: str, labels: Sequence[str]) -> Floats:
    """Return the natural log-probabilities (labels,) of an item's rating.

    They are a discretised Gaussian around the verdict on the kind that the title names, one mood later. All labels are
    as likely where the prompt tells no taste.

    Args:
        prompt: The persona is in its user message.
        continuation: Names the item.
        labels: The values of the scale.
    """
    values = np.array([float(label) for label in labels])
    low, high = values.min(), values.max()
    taste = _described(prompt.user, low, high)
    distance = np.zeros(len(values))
    if taste is not None:
        words = re.findall(r"\w+", continuation.lower())
        expected = low + (high - low) * taste.verdict(words) + DRIFTS.get(taste.mood, 0.0) * np.diff(np.sort(values))[0]
        distance = (values - expected) / (SPREAD_SHARE * (high - low))
    scores = -0.5 * np.square(distance)
    return scores - np.logaddexp.reduce(scores)


def fit(old: Taste | None, rated: Sequence[_Rated]) -> Taste:
    """The taste that listed ratings show, drawn towards the old one; the kinds that say most come first."""
    start = old or Taste(float(np.mean([one.actual for one in rated])))
    before = [np.clip(start.verdict([one.kind]), 0, 1) if one.predicted is None else one.predicted for one in rated]
    errors = np.array([one.actual for one in rated]) - np.array(before)
    kinds = np.array([one.kind for one in rated])
    named = sorted(set(kinds.tolist()) - {""})
    level, changes = 0.0, dict.fromkeys(named, 0.0)
    for _ in range(FITS):
        rest = errors - [changes.get(kind, 0.0) for kind in kinds.tolist()]
        level = float(rest.sum() / (len(rated) + (OLD_LEVEL if old else 0.0)))
        for kind in named:
            own = errors[kinds == kind] - level
            changes[kind] = float(own.sum() / (len(own) + (OLD_KIND if kind in start.kinds else NEW_KIND)))
    offsets = {kind: verdict - start.level for kind, verdict in start.kinds.items()}
    offsets |= {kind: offsets.get(kind, 0.0) + change for kind, change in changes.items()}
    return _taste(start.level + level, offsets)


def _taste(level: float, offsets: Mapping[str, float]) -> Taste:
    """The taste with these deviations of kinds; the largest first, and none that words cannot tell from the level."""
    told = {kind: offset for kind, offset in offsets.items() if abs(offset) >= SAMPLED_SHARE}
    ordered = sorted(told, key=lambda kind: (-abs(told[kind]), kind))
    return Taste(level, {kind: level + told[kind] for kind in ordered})


def _merged(old: Taste, recent: Taste) -> Taste:
    """The middle of two tastes; a kind of which only one speaks keeps its deviation."""
    offsets = [{kind: verdict - taste.level for kind, verdict in taste.kinds.items()} for taste in (old, recent)]
    known = {kind: [own[kind] for own in offsets if kind in own] for kind in (*offsets[0], *offsets[1])}
    return _taste((old.level + recent.level) / 2, {kind: float(np.mean(values)) for kind, values in known.items()})


def _personas(prompt: Prompt, sampling: Sampling) -> tuple[str, ...] | None:
    """The personas that a policy's prompt leads to; None if it shows no taste."""
    ends = _ENDS.search(prompt.user)
    rated = _listed(prompt.user, float(ends[2]), float(ends[1])) if ends else []
    told = read_tastes(prompt.user)
    if rated:
        taste = fit(told[0] if told else None, rated)
    elif told:
        taste = _merged(told[0], told[1]) if len(told) > 1 else told[0]
    else:
        return None
    samples = [_sampled(taste, prompt, sampling, number) for number in range(sampling.n)]
    most = sampling.max_tokens
    return tuple(" ".join(in_words(sample, most).split()[:most]) for sample in samples)


def _sampled(taste: Taste, prompt: Prompt, sampling: Sampling, number: int) -> Taste:
    """A sample around a taste; the taste itself at temperature 0."""
    rng = np.random.default_rng([zlib.crc32(prompt.user.encode("utf-8", "surrogatepass")), sampling.seed, number])
    shift = rng.normal(0, sampling.temperature * SAMPLED_SHARE, 1 + len(taste.kinds))
    kinds = {kind: verdict + float(by) for (kind, verdict), by in zip(taste.kinds.items(), shift[1:], strict=True)}
    return Taste(taste.level + float(shift[0]), kinds, taste.mood)


def _ratings(prompt: Prompt, sampling: Sampling) -> tuple[str, ...] | None:
    """The structured answer to a list of titles; None if the prompt is none, or tells no taste."""
    schema: Any = (sampling.json_schema or {}).get("properties", {}).get("ratings")
    titles = [line for line in prompt.user.splitlines() if _TITLE.fullmatch(line)]
    if schema is None or len(titles) != schema.get("minItems") or not _asks_for_a_score(prompt):
        return None
    values = schema["items"]["enum"]
    labels = [str(value) for value in values]
    best = [values[int(np.argmax(taste_scores(prompt, title, labels)))] for title in titles]
    return (json.dumps({"ratings": best}),) * sampling.n


def _asks_for_a_score(prompt: Prompt) -> bool:
    """Whether a prompt shows the words for scores, as those for predictors do."""
    return f"({LADDER[0]})" in prompt.user


@lru_cache(maxsize=1024)
def _described(text: str, low: float, high: float) -> Taste | None:
    """The taste that a predictor's prompt describes, or that its listed ratings show."""
    if told := read_tastes(text):
        return told[0]
    rated = _listed(text, low, high)
    return fit(None, rated) if rated else None


def _listed(text: str, low: float, high: float) -> list[_Rated]:
    """The ratings that a prompt lists, item by item."""
    found: list[_Rated] = []
    for actual, predicted, titles in _LINE.findall(text):
        points = [(float(number) - low) / (high - low) if number else None for number in (actual, predicted)]
        for title in _TITLE.findall(titles):
            kind = _KIND.search(title)
            found.append(_Rated(points[0] or 0.0, points[1], kind[1].lower() if kind else ""))
    return found
