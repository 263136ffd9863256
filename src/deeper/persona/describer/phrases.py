"""Several phrasings of each fact, so a model learns the meaning and not one form of words.

A phrasing may hold `{verdict}`, `{clear}`, `{hedged}`, `{best}`, `{worst}`, `{item}` or `{items}`. The words of a level
of the scale, and those of how often, occur in the phrasings of no other fact.
"""

BETWEEN = (
    "between {low} and {high}",
    "halfway from {low} to {high}",
    "{low} to {high}",
    "midway between {low} and {high}",
)
"""A level between two others; the prompts use the first wording."""

VERDICT = (
    "This person usually finds {items} {verdict}",
    "The usual verdict on {items} is {verdict}",
    "Most {items} strike this person as {verdict}",
    "To this person, the average {item} is {verdict}",
    "As a rule this person calls {items} {verdict}",
    "This person tends to judge {items} as {verdict}",
)
"""The typical verdict, without a full stop: the spread follows. No phrasing begins with the level: a small model cannot
choose a form and read the level in one token, so its first word would be a guess."""

UNKNOWN = (
    "Nothing is known yet of how this person judges {items}.",
    "This person has not judged any {item} so far.",
    "No verdict on {items} is known so far.",
)
"""The user has no ratings."""

SPREAD = (
    (", with hardly any exceptions", ", and the verdicts hardly vary", ", time and again"),
    (", give or take a little", ", and the verdicts vary slightly", ", with small exceptions"),
    (", but the verdicts vary noticeably", ", with clear differences between them", ", with many exceptions"),
    (", but the verdicts vary hugely", ", but with strong ups and downs", ", but opinions swing widely"),
)
"""How far the verdicts lie apart, from least to most, behind the typical verdict."""

OFTEN = (("never", "not once"), ("seldom", "rarely"), ("often", "frequently"), ("mostly", "nearly always"))
"""How often something happens, from never to mostly; the prompts use the first wording."""

EXTREMES = (
    "The highest praise is {best} given, the lowest marks {worst}.",
    "Full marks are {best} given, harsh ones {worst}.",
    "They are {best} delighted and {worst} put off.",
    "The top of the scale is {best} reached, the bottom {worst}.",
)
"""How often the highest and the lowest ratings are given."""

LOVED = ("They love {clear}", "They are especially fond of {clear}", "They enjoy {clear} most")
PERHAPS_LOVED = ("Perhaps they like {hedged} more than the rest", "They seem to lean towards {hedged}")
DISLIKED = ("They dislike {clear}", "They have little patience for {clear}", "They are let down by {clear}")
PERHAPS_DISLIKED = ("Perhaps they like {hedged} less than the rest", "They seem to care less for {hedged}")
TOO = (", and perhaps {hedged}", ", perhaps also {hedged}")
"""Kinds that are hedged, behind those that are clear."""

RISING = (
    "Lately the verdicts are kinder than before.",
    "Lately they have been easier to please.",
    "They have grown more generous of late.",
)
FALLING = (
    "Lately the verdicts are harsher than before.",
    "Lately they have been harder to please.",
    "They have grown stricter of late.",
)

KNOWN = (
    ("This is a first impression.", "This person is new.", "Little is known of them yet."),
    ("This person is known for a while.", "This rests on some acquaintance.", "They have been known for some time."),
    ("This person is long known.", "This rests on a long acquaintance.", "They have been known for a long time."),
)
"""How much the persona rests on, from a first window to many."""
