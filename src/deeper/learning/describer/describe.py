"""The describer: a persona in words from a user's windows, without a model.

It is what a cold-started policy learns to write and a tuned predictor learns to read. It is deterministic, and says
the same facts in many ways; neither titles nor ratings stand in it.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from deeper.behaviour.levels import verdict_rungs
from deeper.domains import Domain
from deeper.learning.describer import phrases
from deeper.learning.describer.facts import Facts, Window
from deeper.learning.describer.kinds import plural
from deeper.learning.describer.level_words import RUNGS
from deeper.persona.leaks import find_leaks

VERDICT_FIRST = 0.85
"""Share of personas that begin with the typical verdict."""

TOLD = 0.9
"""Chance that a fact is told that says something."""

TOLD_PLAIN = 0.4
"""Chance that a fact is told that says only that all is as usual: no change, no harsh verdicts."""

PLAIN = 4
"""How many times as often as each of the others the first way of saying a level is taken. The prompts say it so, and a
small model repeats exactly what it has read; the others keep it from learning one form only."""

ATTEMPTS = 5
"""Phrasings tried before the kinds of items, and then the rest, are left out for want of one without a title."""


def describe(
    known: Facts,
    windows: Sequence[Window],
    domain: Domain,
    *,
    seed: int,
    max_words: int = 70,
    form: int | None = None,
    in_order: bool = False,
) -> str:
    """Facts in words.

    Args:
        known: What to say.
        windows: Of items whose titles may not stand in the text.
        domain: Their domain.
        seed: Chooses among phrasings and orders; equal arguments give the same text for ever.
        max_words: Upper bound on the words; what does not fit is left out, but never the verdict.
        form: Which of `phrases.VERDICT` says the verdict; any by default.
        in_order: Say the verdict first and the facts always in the same order, for a writer to learn: one that may say
            them in any order forgets what it has said, says it again, and then contradicts itself.

    Returns:
        Sentences without digits, titles, and words that are ratings.
    """
    titles = [item["title"] for window in windows for item in window]
    known = replace(
        known, pleasing=_allowed(known.pleasing, titles), disappointing=_allowed(known.disappointing, titles)
    )
    rng = _rng(known, domain, seed)
    for told in (known, replace(known, pleasing=(), disappointing=())):
        for _ in range(ATTEMPTS):
            text = _compose(told, domain, rng, max_words, form, in_order)
            if not find_leaks(text, titles):
                return text
    return level_only(known, domain, seed=seed, form=form)


def level_only(known: Facts, domain: Domain, *, seed: int, form: int | None = None) -> str:
    """The sentence with the typical verdict, and nothing else; arguments as `describe`."""
    return _verdict(known, domain, _rng(known, domain, seed), form)


def _rng(known: Facts, domain: Domain, seed: int) -> random.Random:
    """Random numbers that differ from user to user although the seed is the same."""
    return random.Random(blake2b(f"{seed}\0{domain.id}\0{known!r}".encode()).digest())


def _compose(known: Facts, domain: Domain, rng: random.Random, max_words: int, form: int | None, in_order: bool) -> str:
    verdict = _verdict(known, domain, rng, form)
    others = [_sentence(rng.choice(forms), domain, **words) for forms, words in _others(known, domain, rng)]
    if not in_order:
        rng.shuffle(others)
    words = len(verdict.split())
    kept: list[str] = []
    for sentence in others:
        if words + len(sentence.split()) <= max_words:
            kept.append(sentence)
            words += len(sentence.split())
    place = 0 if in_order or rng.random() < VERDICT_FIRST else rng.randint(0, len(kept))
    return " ".join([*kept[:place], verdict, *kept[place:]])


def _verdict(known: Facts, domain: Domain, rng: random.Random, form: int | None) -> str:
    if not known.count:
        return _sentence(rng.choice(phrases.UNKNOWN), domain)
    low, high = verdict_rungs(known.median, domain.scale)
    words = _usually_first(RUNGS[low], rng)
    if low != high:
        words = _usually_first(phrases.BETWEEN, rng).format(low=words, high=_usually_first(RUNGS[high], rng))
    said = rng.choice(phrases.VERDICT) if form is None else phrases.VERDICT[form]
    return _sentence(said, domain, verdict=words)


def _usually_first(ways: Sequence[str], rng: random.Random) -> str:
    [way] = rng.choices(ways, [PLAIN, *[1] * (len(ways) - 1)])
    return way


def _others(known: Facts, domain: Domain, rng: random.Random) -> list[tuple[Sequence[str], dict[str, str]]]:
    """The facts to be told beside the verdict: phrasings, and the words that go into them."""
    if not known.count:
        return []

    def often(value: float, starts: tuple[float, ...]) -> dict[str, str]:
        return {"often": rng.choice(phrases.OFTEN[phrases.degree(value, starts)])}

    def kinds(names: Sequence[str]) -> dict[str, str]:
        eras, words = [[name for name in names if name.isalpha() == word] for word in (False, True)]
        told = _fill(rng.choice(phrases.KINDS), domain, words=_listed(words)) if words else ""
        return {"kinds": " as well as ".join(filter(None, (_listed(eras), told)))}

    change = known.drift or 0.0
    drift = phrases.RISING if change > 0 else phrases.FALLING if change < 0 else phrases.STEADY
    spread = phrases.SPREAD[phrases.degree(known.spread, phrases.SPREAD_FROM)]
    choices: list[tuple[float, Sequence[str], dict[str, str]]] = [
        (TOLD, spread, {}),
        (TOLD, phrases.LEAN[phrases.degree(known.lean, phrases.LEAN_FROM)], {}),
        (TOLD, phrases.BEST, often(known.best, phrases.BEST_FROM)),
        (TOLD if known.worst else TOLD_PLAIN, phrases.WORST, often(known.worst, phrases.WORST_FROM)),
        (0 if known.drift is None else TOLD if change else TOLD_PLAIN, drift, {}),
        (TOLD if known.pleasing else 0, phrases.PLEASING, kinds(known.pleasing)),
        (TOLD if known.disappointing else 0, phrases.DISAPPOINTING, kinds(known.disappointing)),
    ]
    return [(forms, words) for chance, forms, words in choices if rng.random() < chance]


def _sentence(form: str, domain: Domain, **words: str) -> str:
    text = _fill(form, domain, **words)
    return text[0].upper() + text[1:]


def _fill(form: str, domain: Domain, **words: str) -> str:
    return form.format(item=domain.item_noun, items=plural(domain.item_noun), **words)


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(kinds[:-1]), *kinds[-1:])))


def _allowed(kinds: Sequence[str], titles: Sequence[str]) -> tuple[str, ...]:
    """The kinds that are no whole titles."""
    return tuple(kind for kind in kinds if not find_leaks(kind, titles))
