"""The many words for the levels of a scale, so that a model learns what is meant and not a word."""

from deeper.behaviour.levels import LADDER

SYNONYMS = {
    "dreadful": ("abysmal", "atrocious"),
    "awful": ("terrible", "horrible"),
    "bad": ("lousy", "dismal"),
    "poor": ("weak", "feeble"),
    "mediocre": ("so-so", "lacklustre"),
    "fair": ("passable", "acceptable"),
    "decent": ("respectable", "satisfactory"),
    "good": ("solid", "pleasant"),
    "great": ("excellent", "impressive"),
    "superb": ("perfect", "flawless"),
}
"""Other words for each rung of the ladder."""

RUNGS = tuple((word, *SYNONYMS[word]) for word in LADDER)
"""The words of each rung, from the lowest to the highest; the ladder's own one first."""
