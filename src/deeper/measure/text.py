"""Statistics of persona texts: redundancy, retention from one text to the next, distinctness between texts."""

import re
from collections.abc import Sequence

import numpy as np

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

_STOP_WORDS = frozenset(
    _WORD.findall("""
    a about above after again all also although always am among an and another any are as at be because been
    before being below between both but by can could did do does doing during each either else even ever every
    few for from further had has have having he her hers herself him himself his how however i if in into is
    it its itself just less like many may me might more most much must my myself neither no nor not of off
    often on once only onto or other others our ours out over own per quite rather same several shall she
    should since so some such than that the their theirs them themselves then there these they this those
    though through to too toward towards under until up upon user users very was we were what when where
    whether which while who whom whose why will with within without would yet you your yours
    """)
)
"""English stop words, and "user", which occurs in every persona."""


def words(text: str) -> list[str]:
    """Return the words of a text in order, in lower case: letters and digits with inner apostrophes and hyphens."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> frozenset[str]:
    """Return the distinct words of a text without stop words."""
    return frozenset(words(text)) - _STOP_WORDS


def redundancy(text: str, n: int = 3) -> float:
    """Share of word n-grams that repeat an earlier one: 1 − distinct n-grams / n-grams; 0 to 1.

    A text of fewer than n words repeats nothing. Source: seq-rep-n of Welleck et al. (2020), Neural text
    generation with unlikelihood training.
    """
    sequence = words(text)
    grams = list(zip(*(sequence[i:] for i in range(n)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def retention(parent: str, child: str) -> float:
    """Share of the parent's content words that occur in the child, 0 to 1; NaN if the parent has none."""
    in_parent = content_words(parent)
    return len(in_parent & content_words(child)) / len(in_parent) if in_parent else float("nan")


def distinctness(texts: Sequence[str]) -> float:
    """Mean pairwise Jaccard distance of the texts' content words, 0 (all alike) to 1.

    The distance of two texts without content words is 0. NaN for fewer than two texts. Source: Jaccard (1912), The
    distribution of the flora in the alpine zone.
    """
    if len(texts) < 2:
        return float("nan")
    sets = [content_words(text) for text in texts]
    column = {word: i for i, word in enumerate(sorted(frozenset().union(*sets)))}
    present = np.zeros((len(sets), len(column)), np.float32)
    for row, found in enumerate(sets):
        present[row, [column[word] for word in found]] = 1
    sizes = present.sum(axis=1, dtype=np.float64)
    total = 0.0
    for row in range(len(sets) - 1):  # a matrix of all pairs would take quadratic memory
        shared = (present[row + 1 :] @ present[row]).astype(np.float64)
        united = sizes[row] + sizes[row + 1 :] - shared
        total += float(np.where(united > 0, shared / np.maximum(united, 1), 1.0).sum())
    return 1 - total / (len(sets) * (len(sets) - 1) / 2)
