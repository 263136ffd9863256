"""A taste in sentences that a rule can write and read again: no digits, no titles, no scale.

    This person's usual verdict is fair. The verdict on mystery, fable is great. The mood is warms.

Levels are shares of the scale (0 its lowest, 1 its highest value), in words of the ladder to half a step.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from deeper.domains.levels import share_words, words_share

DRIFTS = {"cools quickly": -0.5, "cools": -0.25, "steady": 0.0, "warms": 0.25, "warms quickly": 0.5}
"""A mood: how the level changes from window to window, in steps of the scale."""

_USUAL = re.compile(r"usual verdict is ([a-z ]+?)\.")
_ON = re.compile(r"verdict on ([\w, ]+?) is ([a-z ]+?)\.")
_MOOD = re.compile(r"mood is (" + "|".join(sorted(DRIFTS, key=len, reverse=True)) + r")\.")


@dataclass(frozen=True)
class Taste:
    """A taste.

    Attributes:
        level: The usual verdict, as a share of the scale; it may lie off the scale.
        kinds: The verdict on kinds of items, likewise. A kind is one word in lower case.
        mood: One of `DRIFTS`, or empty if nothing is known of it.
    """

    level: float
    kinds: Mapping[str, float] = field(default_factory=dict[str, float])
    mood: str = ""

    def verdict(self, words: Collection[str]) -> float:
        """The verdict on an item, by the lower-case words of its title: that on its kind, else the usual one."""
        return next((verdict for kind, verdict in self.kinds.items() if kind in words), self.level)


def in_words(taste: Taste, most_words: int | None = None) -> str:
    """The taste in sentences. The first one always stands; as many others follow as `most_words` allow."""
    groups: dict[str, list[str]] = {}
    for kind, verdict in taste.kinds.items():
        groups.setdefault(share_words(verdict), []).append(kind)
    sentences = [f"This person's usual verdict is {share_words(taste.level)}."]
    sentences += [f"The verdict on {', '.join(kinds)} is {words}." for words, kinds in groups.items()]
    if taste.mood:
        sentences.append(f"The mood is {taste.mood}.")
    ends = [" ".join(sentences[:count]) for count in range(1, len(sentences) + 1)]
    return next((text for text in reversed(ends) if most_words is None or len(text.split()) <= most_words), ends[0])


def read_tastes(text: str) -> list[Taste]:
    """The tastes that a text describes, in order; whatever else it says is passed over."""
    starts = [match.start() for match in _USUAL.finditer(text)]
    parts = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    return [taste for part in parts if (taste := _read(part)) is not None]


def _read(text: str) -> Taste | None:
    usual = _USUAL.match(text)
    level = words_share(usual[1]) if usual else None
    if level is None:
        return None
    verdicts = [(kinds, words_share(words)) for kinds, words in _ON.findall(text)]
    kinds = {kind: verdict for listed, verdict in verdicts if verdict is not None for kind in listed.split(", ")}
    mood = _MOOD.search(text)
    return Taste(level, kinds, mood[1] if mood else "")
