"""Several phrasings of each fact, so a model learns the meaning and not one form of words.

A phrasing may hold `{verdict}`, `{kinds}`, `{often}`, `{item}` or `{items}`. The words of a level occur in the
phrasings of no other level and of no other fact.
"""

BETWEEN = (
    "between {low} and {high}",
    "halfway from {low} to {high}",
    "{low} to {high}",
    "midway between {low} and {high}",
)
"""A level between two others; the prompts use the first wording."""

VERDICT = (
    "The usual verdict is {verdict}.",
    "This person finds most {items} {verdict}.",
    "The typical {item} comes out as {verdict}.",
    "Tends to call {items} {verdict}.",
    "As a rule the judgement on {items} is {verdict}.",
    "In the middle of all verdicts stands {verdict}.",
    "Asked about any {item}, this person would answer: {verdict}.",
    "By habit this person judges {items} as {verdict}.",
    "The ordinary {item} earns the word {verdict}.",
)
"""The typical verdict. No phrasing begins with the level: a small model cannot choose a form and read the level in one
token, so its first word would be a guess."""

UNKNOWN = (
    "Nothing is known yet of how this person judges {items}.",
    "This person has not judged any {item} so far.",
    "No verdict on {items} is known so far.",
)
"""The user has no ratings."""

SPREAD = (
    (
        "Nearly all {items} get the same verdict.",
        "Hardly ever strays from the usual verdict.",
        "The verdicts are almost all alike.",
        "Very even-handed, with next to no variation.",
        "One verdict fits nearly everything.",
    ),
    (
        "The verdicts stay close together.",
        "Strays only a little from the usual verdict.",
        "Verdicts differ slightly from one {item} to the next.",
        "Rather even-handed, with small variation.",
        "There is a narrow range of verdicts.",
    ),
    (
        "The verdicts vary noticeably.",
        "Strays quite regularly from the usual verdict.",
        "There is a clear difference from one {item} to the next.",
        "Tells {items} apart, with moderate variation.",
        "Uses a broad part of the range of verdicts.",
    ),
    (
        "The verdicts are all over the place.",
        "Strays far from the usual verdict.",
        "Verdicts swing widely from one {item} to the next.",
        "Very hard to foresee, with huge variation.",
        "Uses the whole range of verdicts.",
    ),
)
"""How far the verdicts lie apart, from least to most; levels start at `DescriberRecipe.spread_starts`."""

LEAN = (
    (
        "Other verdicts lie well below the usual one.",
        "When the verdict differs, it is lower by far.",
        "Departures go strongly downwards.",
        "Leans heavily to lower verdicts.",
        "Exceptions are clearly on the low side.",
    ),
    (
        "Other verdicts lie a little more below the usual one than above it.",
        "When the verdict differs, it is slightly more likely to be lower.",
        "Departures go somewhat downwards.",
        "Leans gently to lower verdicts.",
        "Exceptions are somewhat on the low side.",
    ),
    (
        "Other verdicts do not tip the scales.",
        "On the whole the verdicts tip neither down nor up.",
        "Departures draw to no side in particular.",
        "Leans neither to lower nor to higher verdicts.",
        "Exceptions pull in no direction.",
    ),
    (
        "Other verdicts lie a little more above the usual one than below it.",
        "When the verdict differs, it is slightly more likely to be higher.",
        "Departures go somewhat upwards.",
        "Leans gently to higher verdicts.",
        "Exceptions are somewhat on the high side.",
    ),
    (
        "Other verdicts lie well above the usual one.",
        "When the verdict differs, it is higher by far.",
        "Departures go strongly upwards.",
        "Leans heavily to higher verdicts.",
        "Exceptions are clearly on the high side.",
    ),
)
"""On which side of the typical verdict the others lie, from below to above."""

OFTEN = (("never", "not once"), ("seldom", "rarely"), ("often", "frequently"), ("mostly", "nearly always"))
"""How often something happens, from never to mostly."""

BEST = (
    "The highest praise is {often} given.",
    "Full marks are {often} given.",
    "The top verdict is {often} reached.",
    "Is {often} delighted without reserve.",
    "Is {often} entirely won over.",
)

WORST = (
    "Outright rejection is {often} seen.",
    "Harsh verdicts are {often} given.",
    "The bottom of the scale is {often} used.",
    "Is {often} put off altogether.",
    "Is {often} let down badly.",
)

KINDS = ("{words}", "anything with {words}", "whatever names {words}", "{items} to do with {words}")
"""Kinds that are words of titles; eras come before them."""

PLEASING = (
    "Especially enjoys {kinds}.",
    "Has a soft spot for {kinds}.",
    "Kinder than usual to {kinds}.",
    "Happier with {kinds} than with the rest.",
    "Gives extra credit for {kinds}.",
    "The mood brightens with {kinds}.",
)

DISAPPOINTING = (
    "Less taken with {kinds}.",
    "Stricter than usual with {kinds}.",
    "Tends to mark down {kinds}.",
    "Has little patience for {kinds}.",
    "Cooler towards {kinds} than towards the rest.",
    "The mood sinks with {kinds}.",
)

RISING = (
    "Lately the verdicts have been kinder than before.",
    "The latest {items} were received more warmly than earlier ones.",
    "Has been growing more generous.",
    "The recent trend is upwards.",
    "Has lately been easier to please.",
)

FALLING = (
    "Lately the verdicts have been harsher than before.",
    "The latest {items} were received more coldly than earlier ones.",
    "Has been growing more critical.",
    "The recent trend is downwards.",
    "Has lately been harder to please.",
)

STEADY = (
    "Lately the verdicts are much as before.",
    "The latest {items} were received like the earlier ones.",
    "The standards have stayed the same.",
    "There is no recent trend.",
    "Has lately judged as always.",
)


def level_index(value: float, starts: tuple[float, ...]) -> int:
    """The level of a value: the number of starts (ascending) that it reaches."""
    return sum(value >= start for start in starts)
