"""Words that say on which side of a user's usual verdict something lies, as patterns of lower-case English."""

import re

from deeper.domains.level_words import LEVEL_WORDS

_LIKED = r"""
lov(?:e[sd]?|ing|er|ers) ador\w+ enjoy\w* lik(?:e[sd]?|ing) fond fans? favou?r(?:s|ed|ing|ites?|ably)? prefer\w*
appreciat\w+ delight\w* pleas(?:e[sd]?|ing|ure) drawn attracted passion\w* excit\w+ warm(?:s|ly|er)? embrac\w+
relish\w* admir\w+ cherish\w* gravitat\w+ lean(?:s|ed|ing)? soft\ spot weakness\ for keen enthusias\w+
prais(?:e[sd]?|ing) impress(?:es|ed|ing)? reward(?:s|ed|ing)? high(?:er|est|ly)? above better best
(?:do|does|fares?|rate[sd]?|scores?)\ well well\ received lands? shines? stands?\ out succeeds? generous\w* lenient\w*
kinder kindly forgiving interest(?:ed|s)? tastes?\ (?:for|runs?) standouts? highlights? appetite affinity affection
devot\w+ treasur\w+ celebrat\w+ values? valued seeks? satisf(?:y|ies|ied|ying) appeal\w* thrilled charm\w* captivat\w+
engag\w+ resonat\w+ wins? cares? patience tolerance time\ for regard
"""
_DISLIKED = r"""
dislik\w+ disappoint\w* lets?\ (?:\w+\ )?down hat(?:e[sd]?|ing) loath\w+ detest\w* avoid\w* bor(?:e[sd]?|ing|edom)
tedious dull tir(?:es?|ed|ing|esome) irritat\w+ annoy\w* frustrat\w+ s[kc]eptical\w* cold
cool(?:er|s)?\ (?:on|to|towards?) indifferen\w+ poorly (?:cannot|can['’]t)\ (?:stand|bear) unimpress\w* unmoved
underwhelm\w* reject\w* skips? shuns? avers\w+ distast\w* displeas\w* dissatisf\w+ unsatisf\w+ flat fail(?:s|ed|ing)?
falls?\ short struggl\w+ low(?:er|est)? below worse worst wear(?:y|ies|ied) puts?\ off off-putting dismiss\w* grates?
lacking overrated harsh\w* strict\w* stern\w* tough\w* severe\w* critical unforgiving
"""


def _alternatives(patterns: str) -> str:
    return "|".join(re.split(r"(?<!\\)\s+", patterns.strip()))


LEVEL = "|".join(sorted((re.escape(word) for words in LEVEL_WORDS for word in words), key=len, reverse=True))
CUE = re.compile(
    rf"\b(?:(?P<liked>{_alternatives(_LIKED)})|(?P<disliked>{_alternatives(_DISLIKED)})"
    rf"|(?P<level>(?:{LEVEL})(?:~(?:{LEVEL}))?))\b"
)
"""A cue and its sort. A level lies above or below the user's usual one; two levels with `~` between are one cue."""
TWO_LEVELS = re.compile(rf"\b({LEVEL}) (?:and|to) ({LEVEL})\b")
RUNG = {word: rung for rung, words in enumerate(LEVEL_WORDS) for word in words}
"""The position of each level word in the ladder, from 0."""

LESS = re.compile(r"\b(?:less|least)\b")
"""Turns the side of a cue, and alone is one."""
LESS_THAN_REST = re.compile(r"\bless than (?:the )?(?:rest|others?|average|usual|most)\b")
"""At the end of a list of kinds: turns the cue before the list."""
NEGATION = re.compile(
    r"\b(?:not(?! (?:only|just|merely))|no|never|nothing|without|hardly|rarely|seldom|scarcely|barely|few|lack\w*"
    r"|far from|fail(?:s|ed)? to|(?<!a )little)\b|n['’]t\b"
)
"""Turns the side of a cue that follows within a few words; in a part without a cue, what it takes from another one."""
NEITHER = re.compile(r"\b(?:neither|nor)\b")
"""Turns the side of a cue that follows; a part without a cue has the side of its neighbour."""
RELATIVE = re.compile(r"\s*(?:which|that)\b")
"""Begins a part that speaks of the kind before it."""
COMPARED = re.compile(r"\b(?:than|over|to|above)\b")
"""Between a cue of preference and a kind: the kind is what the comparison starts from, and its side is not stated."""
PREPOSITION = re.compile(
    r"\b(genres?|kinds?|ones|those|films?|movies?|titles?|items?|books?|things?|stories|something|anything|fare|types?"
    r"|categories|styles?|themes?|feels?|looks?|sounds?) like\b"
)
"""`like` that introduces examples."""
CONTRAST = ("but", "though", "although", "while", "whereas", "yet", "however", "whilst")
OPPOSITE = ("except for", "except", "unlike", "rather than", "instead of", "as opposed to")
"""Starts a part whose side is the opposite of its neighbour's."""
SEPARATOR = re.compile(
    rf"(?P<opposite>\b(?:{'|'.join(OPPOSITE)})\b)|(?P<contrast>\b(?:{'|'.join(CONTRAST)})\b)"
    r"|(?P<group>[,()\u2013\u2014\n]| - )|\b(?:and|or|as well as)\b|(?=\bnor\b)"
)
SENTENCE_END = re.compile(r"(?<=[.!?;])(?:\s+|$)|;")
