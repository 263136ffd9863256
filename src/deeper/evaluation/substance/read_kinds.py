"""Which kinds a text names, and on which side: "enjoys thrillers but finds romance tedious".

The side of a kind is decided by the part of the sentence that it stands in. A part ends at a comma, a conjunction or a
word of contrast. In it, the nearest cue before the kind decides ("enjoys thrillers"), else the nearest behind it
("thrillers please"). Without a cue, a part takes the side of its neighbours: of a list's verb before it, or of what
follows. Negations and "less" turn a side. Words of levels are compared with the usual verdict that the text states.
What follows "than" has no side.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile

import numpy as np

from deeper.evaluation.substance import cues
from deeper.evaluation.substance.vocabulary import Vocabulary

NEGATED_WORDS = 4
"""A negation turns a cue that begins within so many words."""
USUAL_RUNG = 5.5
"""The usual verdict of a text that states none, as a position in the ladder: between fair and decent."""
MENTION = re.compile(r"\x01(\d+)\x02")


@dataclass(frozen=True)
class _Cue:
    """A cue in a part: where it stands, on which side, and whether kinds behind it may take that side."""

    start: int
    end: int
    side: int
    is_preference: bool
    only_before: bool


@dataclass(frozen=True)
class _Part:
    """A part of a sentence.

    Attributes:
        text: Its text.
        group: Which part between commas it belongs to.
        is_contrast: Whether a word of contrast begins it.
        turns: 1, or −1 if its side is the opposite of that of the part that it is taken from.
        mentions: The position in the text and the number of each kind in it.
        cues: The cues in it.
    """

    text: str
    group: int
    is_contrast: bool
    turns: int
    mentions: Sequence[tuple[int, int]]
    cues: Sequence[_Cue] = field(default_factory=tuple)


def named_kinds(text: str, vocabulary: Vocabulary) -> dict[str, int]:
    """Read which kinds a text names.

    Args:
        text: A persona in English.
        vocabulary: The kinds that it may name.

    Returns:
        1 (liked) or −1 (disappointing) by the key of each kind that has a side; of contradicting statements the last.
    """
    plain = "".join(c if c == "\n" or c.isprintable() else " " for c in text)
    mentions = list(vocabulary.mentions(plain))
    if not mentions:
        return {}
    masked, end = "", 0
    for number, mention in enumerate(mentions):
        masked += f"{plain[end : mention.start]}\x01{number}\x02"
        end = mention.end
    sentences = cues.SENTENCE_END.split((masked + plain[end:]).lower())
    usual = _usual_rung(sentences)
    found: dict[str, int] = {}
    for sentence in sentences:
        for number, side in _sides(sentence, usual).items():
            if side:
                found[mentions[number].key] = side
    return found


def _usual_rung(sentences: Sequence[str]) -> float:
    """The level that the first sentence about no kind states."""
    for sentence in sentences:
        rungs = [cues.RUNG[word] for word in re.findall(rf"\b(?:{cues.LEVEL})\b", sentence)]
        if rungs and not MENTION.search(sentence):
            return float(np.mean(rungs))
    return USUAL_RUNG


def _sides(sentence: str, usual: float) -> Mapping[int, int]:
    """The sides of the kinds of a sentence; 0, or none, for a kind whose side is not stated."""
    parts = _parts(sentence, usual)
    sides: dict[int, int] = {}
    for place, part in enumerate(parts):
        for position, number in part.mentions:
            if part.cues:
                sides[number] = _stated(part, position)
            elif not re.search(r"\b(?:than|over)\b", part.text[:position]):
                sides[number] = _taken(parts, place)
    return sides


def _parts(sentence: str, usual: float) -> list[_Part]:
    sentence = cues.TWO_LEVELS.sub(r"\1~\2", cues.PREPOSITION.sub(r"\1 as", sentence))
    separators = list(cues.SEPARATOR.finditer(sentence))
    bounds = [(None, 0, 0), *((one, one.start(), one.end()) for one in separators), (None, len(sentence), 0)]
    parts: list[_Part] = []
    group, is_contrast, turns = 0, False, 1
    for (separator, _, start), (_, end, _) in pairwise(bounds):
        sort = separator.lastgroup if separator else None
        group += sort is not None
        is_contrast |= sort in ("contrast", "opposite")
        turns = -1 if sort == "opposite" else turns
        text = sentence[start:end]
        mentions = [(one.start(), int(one[1])) for one in MENTION.finditer(text)]
        found = _cues(text, usual)
        if mentions or found:
            turned = -turns if not found and cues.NEGATION.search(text) else turns
            parts.append(_Part(text, group, is_contrast, turned, mentions, found))
            is_contrast, turns = False, 1
    return _with_ends_of_lists(parts)


def _with_ends_of_lists(parts: list[_Part]) -> list[_Part]:
    """Turn the cue before a list that ends with "less than the rest"."""
    for end, part in enumerate(parts):
        cueless = list(takewhile(lambda one: not one.cues and not one.is_contrast, reversed(parts[1:end])))
        first = end - 1 - len(cueless)
        is_end = cues.LESS_THAN_REST.search(part.text) and part.mentions and not part.is_contrast and first >= 0
        if is_end and not any(one.lastgroup for one in cues.CUE.finditer(part.text)) and parts[first].cues:
            turned = tuple(replace(cue, side=-cue.side) for cue in parts[first].cues)
            parts[first], parts[end] = replace(parts[first], cues=turned), replace(part, cues=())
    return parts


def _cues(text: str, usual: float) -> list[_Cue]:
    """The cues of a part. A level counts only where no other word tells the side."""
    found = list(cues.CUE.finditer(text))
    told = [one for one in found if one.lastgroup != "level"] or found
    less = list(cues.LESS.finditer(text))
    if not told:
        return [_Cue(one.start(), one.end(), -1, is_preference=False, only_before=False) for one in less[:1]]
    turns = -1 if less else 1
    return [
        _Cue(
            one.start(),
            one.end(),
            turns * _negated(text, one.start()) * _side(one, usual),
            is_preference=one[0].startswith(("prefer", "favo")),
            only_before=one[0] in ("above", "below"),
        )
        for one in told
    ]


def _side(cue: re.Match[str], usual: float) -> int:
    if cue.lastgroup != "level":
        return 1 if cue.lastgroup == "liked" else -1
    return int(np.sign(np.mean([cues.RUNG[word] for word in cue[0].split("~")]) - usual))


def _negated(text: str, start: int) -> int:
    """−1 if an odd number of negations turn a cue, else 1."""
    before = text[:start]
    turning = (one for pattern in (cues.NEGATION, cues.NEITHER) for one in pattern.finditer(before))
    near = [one for one in turning if len(before[one.end() :].split()) < NEGATED_WORDS]
    return (-1) ** len(near)


def _stated(part: _Part, position: int) -> int:
    """The side of a kind in a part that has a cue."""
    before = [cue for cue in part.cues if cue.end <= position]
    behind = [cue for cue in part.cues if cue.start > position]
    if not before:
        return behind[0].side if behind else 0
    cue = before[-1]
    between = part.text[cue.end : position]
    if cue.only_before or re.search(r"\bthan\b", between):
        return 0
    return 0 if cue.is_preference and cues.COMPARED.search(between) else cue.side


def _taken(parts: Sequence[_Part], place: int) -> int:
    """The side of kinds in a part without a cue, from the parts around it.

    First what follows between the same commas ("thrillers and westerns please"), then what stands before ("enjoys
    thrillers, westerns"), then what follows later. A word of contrast ends the search, unless the part is its opposite.
    """
    own = parts[place]
    later = parts[place + 1 :]
    if later and later[0].cues and not later[0].mentions and cues.RELATIVE.match(later[0].text):
        return later[0].cues[0].side
    follows = [part for part in _until_contrast(later) if part.cues]
    near = [part for part in follows if part.group == own.group][:1]
    if near and _begins_with_kind(near[0]):
        return own.turns * near[0].cues[0].side
    crosses = own.turns < 0
    if crosses or not own.is_contrast:
        for part in reversed(parts[:place]):
            if part.cues:
                return own.turns * part.cues[-1].side
            if part.is_contrast and not crosses:
                break
    if follows and (crosses or _begins_with_kind(follows[0])):
        return own.turns * follows[0].cues[0].side
    return 0


def _until_contrast(parts: Sequence[_Part]) -> list[_Part]:
    end = next((i for i, part in enumerate(parts) if part.is_contrast), len(parts))
    return list(parts[:end])


def _begins_with_kind(part: _Part) -> bool:
    """Whether a part's cue speaks of what stands before it."""
    return all(position < part.cues[0].start for position, _ in part.mentions)
