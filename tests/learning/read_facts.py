"""Read texts back: what the describer's personas say, and what a prompt's evidence says."""

import re
from dataclasses import dataclass

import numpy as np

from deeper.domains import Domain
from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import rung_indices
from deeper.persona.describer import phrases
from deeper.persona.evidence import lines
from deeper.persona.evidence.facts import CLEAR, HEDGED, KindVerdict

SIDES = (
    *((phrases.LOVED, CLEAR, HEDGED), (phrases.DISLIKED, -CLEAR, -HEDGED)),
    *((phrases.PERHAPS_LOVED, 0, HEDGED), (phrases.PERHAPS_DISLIKED, 0, -HEDGED)),
)


@dataclass(frozen=True)
class Said:
    """What a text says; None or () for what it does not say."""

    median: float | None = None
    spread: int | None = None
    best: int | None = None
    worst: int | None = None
    known: int | None = None
    drift: int = 0
    kinds: tuple[KindVerdict, ...] = ()


def said_in_persona(text: str, domain: Domain) -> Said:
    """What a text of the describer says."""
    first, _, rest = text.partition(". ")
    spreads = [level for level, forms in enumerate(phrases.SPREAD) if any(form in first for form in forms)]
    known = [level for level, forms in enumerate(phrases.KNOWN) if any(form in text for form in forms)]
    changes = [
        sign for sign, forms in ((1, phrases.RISING), (-1, phrases.FALLING)) if any(form in text for form in forms)
    ]
    best, worst = _extremes(text)
    return Said(
        level_in(first, domain),
        spreads[0] if spreads else None,
        best,
        worst,
        known[0] if known else None,
        changes[0] if changes else 0,
        _kinds(rest),
    )


def level_in(text: str, domain: Domain) -> float | None:
    """The rating whose words stand in a text."""
    rungs = [n for n, words in enumerate(LEVEL_WORDS) for word in words if re.search(rf"(?i)\b{word}\b(?!-)", text)]
    if not rungs:
        return None
    assert max(rungs) - min(rungs) == len(set(rungs)) - 1 or len(set(rungs)) == 2, text
    return float(np.interp((min(rungs) + max(rungs)) / 2, rung_indices(domain.scale), domain.scale.values))


def said_in_lines(prompt: str) -> Said:
    """What the items and the evidence of a prompt say; of the middle, the actual one."""
    middle = re.search(r"in the middle: (?:actual )?([\d.]+) ", prompt)
    level = re.search(
        r"^verdicts ([a-z ]+), highest (\w+), lowest (\w+); this person is ([a-z ]+)$", prompt, re.MULTILINE
    )
    if not level or not middle:
        return Said()
    kinds: list[KindVerdict] = []
    for strength in (CLEAR, HEDGED, -CLEAR, -HEDGED):
        for sides in lines.SIDES.values():
            head = f"{lines.SURE[abs(strength)]} {sides[strength < 0]}: "
            for line in re.findall(rf"^{head}(.+)$", prompt, re.MULTILINE):
                names = re.findall(r"(?:^|, )([^,()]+) \([a-z ]+, from \w+\)", line)
                kinds += [KindVerdict(name, strength) for name in names]
    return Said(
        float(middle[1]),
        lines.SPREAD.index(level[1]),
        lines.OFTEN.index(level[2]),
        lines.OFTEN.index(level[3]),
        lines.KNOWN.index(level[4]),
        0,
        tuple(kinds),
    )


def _extremes(text: str) -> tuple[int | None, int | None]:
    words = "|".join(word for level in phrases.OFTEN for word in level)
    for form in phrases.EXTREMES:
        if found := re.search(form.replace("{best}", f"({words})").replace("{worst}", f"({words})"), text):
            best, worst = ([n for n, level in enumerate(phrases.OFTEN) if word in level][0] for word in found.groups())
            return best, worst
    return None, None


def _kinds(text: str) -> tuple[KindVerdict, ...]:
    found: list[KindVerdict] = []
    for forms, clear, hedged in SIDES:
        for form in forms:
            pattern = form.replace("{clear}", "(?P<clear>[^.]+?)").replace("{hedged}", "(?P<hedged>[^.]+?)")
            also = "|".join(too.replace("{hedged}", f"(?P<hedged{n}>[^.]+?)") for n, too in enumerate(phrases.TOO))
            if match := re.search(rf"{pattern}(?:{also if clear else ''})?\.", text):
                for name, names in match.groupdict().items():
                    strength = clear if name == "clear" else hedged
                    found += [KindVerdict(one, strength) for one in re.split(r", | and ", names or "") if one]
    return tuple(sorted(found, key=lambda one: (one.strength < 0, -abs(one.strength))))
