"""Writes a persona from facts, in one of many phrasings that a seed chooses.

The same arguments always give the same text. The text holds no title and no rating.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from deeper.domains import Domain
from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import verdict_rungs
from deeper.persona.describer import phrases
from deeper.persona.describer.recipe import DESCRIBER
from deeper.persona.evidence.facts import CLEAR, HEDGED, Facts, Window
from deeper.persona.evidence.kinds import plural
from deeper.persona.leaks import find_leaks


def describe(
    known: Facts,
    windows: Sequence[Window],
    domain: Domain,
    *,
    seed: int,
    max_words: int = DESCRIBER.max_words,
    form: int | None = None,
    in_order: bool = False,
) -> str:
    """Write facts as a persona.

    Args:
        known: What to say.
        windows: Their titles must not stand in the text.
        domain: The domain of the windows.
        seed: Chooses phrasings and order.
        max_words: Length limit in words. Facts that do not fit are left out; the verdict always stays.
        form: Index into `phrases.VERDICT` of the sentence that states the verdict; a random one by default.
        in_order: State all facts, in a fixed order. A policy learns from such texts: with a free order it forgets what
            it has said, says it again and contradicts itself.

    Returns:
        Sentences without digits, titles and ratings.
    """
    titles = [item["title"] for window in windows for item in window]
    known = replace(known, kinds=tuple(one for one in known.kinds if not find_leaks(one.name, titles)))
    rng = _rng(known, domain, seed)
    for stated in (known, replace(known, kinds=())):
        for _ in range(DESCRIBER.attempts):
            text = _compose(stated, domain, rng, max_words, form, in_order)
            if not find_leaks(text, titles):
                return text
    return level_only(known, domain, seed=seed, form=form)


def level_only(known: Facts, domain: Domain, *, seed: int, form: int | None = None) -> str:
    """Write only the sentence with the typical verdict; arguments as for `describe`."""
    return _verdict(known, domain, _rng(known, domain, seed), form)


def _rng(known: Facts, domain: Domain, seed: int) -> random.Random:
    """Random numbers that differ between users with the same seed; the repr of `Facts` is part of the seed."""
    return random.Random(blake2b(f"{seed}\0{domain.id}\0{known!r}".encode()).digest())


def _compose(known: Facts, domain: Domain, rng: random.Random, max_words: int, form: int | None, in_order: bool) -> str:
    if not known.count:
        return _verdict(known, domain, rng, form)
    spread = rng.choice(phrases.SPREAD[known.spread]) if _is_stated(rng, in_order) else ""
    first = _verdict(known, domain, rng, form, spread)
    others = [sentence for sentence in _other_facts(known, domain, rng) if _is_stated(rng, in_order)]
    if not in_order:
        rng.shuffle(others)
    words = len(first.split())
    kept = [first]
    for sentence in others:
        if words + len(sentence.split()) <= max_words:
            kept.append(sentence)
            words += len(sentence.split())
    return " ".join(kept)


def _is_stated(rng: random.Random, in_order: bool) -> bool:
    return in_order or rng.random() < DESCRIBER.fact_share


def _verdict(known: Facts, domain: Domain, rng: random.Random, form: int | None, spread: str = "") -> str:
    if not known.count:
        return _sentence(rng.choice(phrases.UNKNOWN), domain)
    low, high = verdict_rungs(known.median, domain.scale)
    words = _mostly_first(LEVEL_WORDS[low], rng)
    if low != high:
        words = _mostly_first(phrases.BETWEEN, rng).format(low=words, high=_mostly_first(LEVEL_WORDS[high], rng))
    chosen = rng.choice(phrases.VERDICT) if form is None else phrases.VERDICT[form]
    return _sentence(f"{chosen}{spread}.", domain, verdict=words)


def _mostly_first(wordings: Sequence[str], rng: random.Random) -> str:
    [wording] = rng.choices(wordings, [DESCRIBER.first_wording_weight, *[1] * (len(wordings) - 1)])
    return wording


def _other_facts(known: Facts, domain: Domain, rng: random.Random) -> list[str]:
    """A sentence for each fact beside verdict and spread, in their order."""
    best, worst = (_mostly_first(phrases.OFTEN[often], rng) for often in (known.best, known.worst))
    sentences = [_sentence(rng.choice(phrases.EXTREMES), domain, best=best, worst=worst)]
    for sign, clear_forms, hedged_forms in (
        (1, phrases.LOVED, phrases.PERHAPS_LOVED),
        (-1, phrases.DISLIKED, phrases.PERHAPS_DISLIKED),
    ):
        clear, hedged = (
            _listed([one.name for one in known.kinds if one.strength == sign * size]) for size in (CLEAR, HEDGED)
        )
        if clear:
            form = rng.choice(clear_forms) + (rng.choice(phrases.TOO) if hedged else "")
            sentences.append(_sentence(f"{form}.", domain, clear=clear, hedged=hedged))
        elif hedged:
            sentences.append(_sentence(f"{rng.choice(hedged_forms)}.", domain, hedged=hedged))
    if known.drift:
        sentences.append(_sentence(rng.choice(phrases.RISING if known.drift > 0 else phrases.FALLING), domain))
    return [*sentences, _sentence(rng.choice(phrases.KNOWN[known.known]), domain)]


def _sentence(form: str, domain: Domain, **words: str) -> str:
    text = form.format(item=domain.item_noun, items=plural(domain.item_noun), **words)
    return text[0].upper() + text[1:]


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(kinds[:-1]), *kinds[-1:])))
