"""The many phrasings of each fact, so that a model learns what is meant and not a form of words.

A sentence takes `{verdict}`, `{kinds}`, `{often}`, `{item}` or `{items}`. The words of a level stand in the phrasings
of no other level and of no other fact.
"""

BETWEEN = (
    "between {low} and {high}",
    "halfway from {low} to {high}",
    "{low} to {high}",
    "midway between {low} and {high}",
)
"""A level between two others, first as the prompts say it."""

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
"""What the typical verdict is. None begins with it: a small model does not choose a form and read a level in one token,
and what it says first would be a guess."""

UNKNOWN = (
    "Nothing is known yet of how this person judges {items}.",
    "This person has not judged any {item} so far.",
    "No verdict on {items} is known so far.",
)
"""There are no ratings."""

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
"""How far the verdicts lie apart, from hardly to widely."""

SPREAD_FROM = (0.06, 0.12, 0.18)
"""Mean absolute deviation (share of the scale's range) from which the next level of `SPREAD` holds; about the
quartiles of real users."""

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

LEAN_FROM = (-0.4, -0.15, 0.15, 0.4)
"""Lean from which the next level of `LEAN` holds."""

OFTEN = (("never", "not once"), ("seldom", "rarely"), ("often", "frequently"), ("mostly", "nearly always"))
"""How often something occurs, from never to mostly."""

BEST = (
    "The highest praise is {often} given.",
    "Full marks are {often} given.",
    "The top verdict is {often} reached.",
    "Is {often} delighted without reserve.",
    "Is {often} entirely won over.",
)
BEST_FROM = (0.03, 0.2, 0.5)
"""Share of top marks from which the next level of `OFTEN` holds."""

WORST = (
    "Outright rejection is {often} seen.",
    "Harsh verdicts are {often} given.",
    "The bottom of the scale is {often} used.",
    "Is {often} put off altogether.",
    "Is {often} let down badly.",
)
WORST_FROM = (0.015, 0.12, 0.5)
"""Share of low marks from which the next level of `OFTEN` holds."""

KINDS = ("{words}", "anything with {words}", "whatever names {words}", "{items} to do with {words}")
"""Kinds of items that are words of their titles; eras stand before them."""

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


def degree(value: float, starts: tuple[float, ...]) -> int:
    """The level of a value: how many of the levels' starts (ascending) it reaches."""
    return sum(value >= start for start in starts)
