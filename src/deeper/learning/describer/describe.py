"""Writes a persona from facts, in one of many phrasings that a seed chooses.

The same arguments always give the same text. The text holds no title and no rating.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from deeper.domains import Domain
from deeper.domains.levels import verdict_rungs
from deeper.learning.describer import phrases
from deeper.learning.describer.facts import Facts, Window
from deeper.learning.describer.kinds import plural
from deeper.learning.describer.level_words import LEVEL_WORDS
from deeper.learning.describer.recipe import DESCRIBER
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
        in_order: State the verdict first and the facts in a fixed order. A policy learns from such texts: with a free
            order it forgets what it has said, says it again and contradicts itself.

    Returns:
        Sentences without digits, titles and ratings.
    """
    titles = [item["title"] for window in windows for item in window]
    known = replace(
        known,
        pleasing=_without_leaks(known.pleasing, titles),
        disappointing=_without_leaks(known.disappointing, titles),
    )
    rng = _rng(known, domain, seed)
    for stated in (known, replace(known, pleasing=(), disappointing=())):
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
    verdict = _verdict(known, domain, rng, form)
    others = [_sentence(rng.choice(forms), domain, **words) for forms, words in _other_facts(known, domain, rng)]
    if not in_order:
        rng.shuffle(others)
    words = len(verdict.split())
    kept: list[str] = []
    for sentence in others:
        if words + len(sentence.split()) <= max_words:
            kept.append(sentence)
            words += len(sentence.split())
    place = 0 if in_order or rng.random() < DESCRIBER.verdict_first_share else rng.randint(0, len(kept))
    return " ".join([*kept[:place], verdict, *kept[place:]])


def _verdict(known: Facts, domain: Domain, rng: random.Random, form: int | None) -> str:
    if not known.count:
        return _sentence(rng.choice(phrases.UNKNOWN), domain)
    low, high = verdict_rungs(known.median, domain.scale)
    words = _mostly_first(LEVEL_WORDS[low], rng)
    if low != high:
        words = _mostly_first(phrases.BETWEEN, rng).format(low=words, high=_mostly_first(LEVEL_WORDS[high], rng))
    chosen = rng.choice(phrases.VERDICT) if form is None else phrases.VERDICT[form]
    return _sentence(chosen, domain, verdict=words)


def _mostly_first(wordings: Sequence[str], rng: random.Random) -> str:
    [wording] = rng.choices(wordings, [DESCRIBER.first_wording_weight, *[1] * (len(wordings) - 1)])
    return wording


def _other_facts(known: Facts, domain: Domain, rng: random.Random) -> list[tuple[Sequence[str], dict[str, str]]]:
    """Draw the facts to state beside the verdict: the phrasings of each, and the words to fill in."""
    if not known.count:
        return []
    recipe = DESCRIBER

    def often(value: float, starts: tuple[float, ...]) -> dict[str, str]:
        return {"often": rng.choice(phrases.OFTEN[phrases.level_index(value, starts)])}

    def kinds(names: Sequence[str]) -> dict[str, str]:
        eras, words = [[name for name in names if name.isalpha() == is_word] for is_word in (False, True)]
        named = _fill(rng.choice(phrases.KINDS), domain, words=_listed(words)) if words else ""
        return {"kinds": " as well as ".join(filter(None, (_listed(eras), named)))}

    change = known.drift or 0.0
    drift = phrases.RISING if change > 0 else phrases.FALLING if change < 0 else phrases.STEADY
    spread = phrases.SPREAD[phrases.level_index(known.spread, recipe.spread_starts)]
    lean = phrases.LEAN[phrases.level_index(known.lean, recipe.lean_starts)]
    stated, plain = recipe.fact_share, recipe.plain_fact_share
    choices: list[tuple[float, Sequence[str], dict[str, str]]] = [
        (stated, spread, {}),
        (stated, lean, {}),
        (stated, phrases.BEST, often(known.best, recipe.best_starts)),
        (stated if known.worst else plain, phrases.WORST, often(known.worst, recipe.worst_starts)),
        (0 if known.drift is None else stated if change else plain, drift, {}),
        (stated if known.pleasing else 0, phrases.PLEASING, kinds(known.pleasing)),
        (stated if known.disappointing else 0, phrases.DISAPPOINTING, kinds(known.disappointing)),
    ]
    return [(forms, words) for chance, forms, words in choices if rng.random() < chance]


def _sentence(form: str, domain: Domain, **words: str) -> str:
    text = _fill(form, domain, **words)
    return text[0].upper() + text[1:]


def _fill(form: str, domain: Domain, **words: str) -> str:
    return form.format(item=domain.item_noun, items=plural(domain.item_noun), **words)


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(kinds[:-1]), *kinds[-1:])))


def _without_leaks(kinds: Sequence[str], titles: Sequence[str]) -> tuple[str, ...]:
    """The kinds that are not whole titles."""
    return tuple(kind for kind in kinds if not find_leaks(kind, titles))
