"""Several words for each level of a scale, so a model learns the meaning and not one word."""

from deeper.domains.levels import LADDER

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
"""Other words for each level of the ladder."""

LEVEL_WORDS = tuple((word, *SYNONYMS[word]) for word in LADDER)
"""The words of each level, from the lowest level to the highest; the ladder's own word comes first."""
