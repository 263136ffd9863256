"""The scale of a file of ratings: as the user writes it, or seen in the ratings where that is safe."""

from collections.abc import Collection

from deeper.domains import Scale
from deeper.errors import UserError

FORM = "MIN:MAX:STEP"
EXAMPLES = "--scale 1:5:1 (stars), 0.5:5:0.5 (half stars), 0:1:1 (thumbs), 0:10:1, or 0:100:5"
MANY_LABELS = 21
"""Scales with more values cost time and are read poorly: servers show the probabilities of about as many at most."""

SAFE = (
    Scale(0, 1, 1),
    Scale(1, 5, 1),
    Scale(0.5, 5, 0.5),
    Scale(1, 5, 0.5),
    Scale(1, 7, 1),
    Scale(1, 10, 1),
    Scale(0.5, 10, 0.5),
)
"""Scales that can be told from ratings. Longer ones that begin at 0 cannot: 0 often means "no rating"."""


def parse_scale(text: str) -> Scale:
    """A scale from "0.5:5:0.5".

    Raises:
        UserError: It is written otherwise, or is no scale, or has too many values.
    """
    try:
        minimum, maximum, step = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise UserError(f"{text!r} is no scale", where="scale", do=f"write {FORM}: {EXAMPLES}") from error
    try:
        return Scale(minimum, maximum, step)
    except UserError as error:
        raise UserError(
            f"{error.what} ({text})",
            where="scale",
            do=f"write {FORM}; a larger STEP gives fewer values, and ratings between them are kept as they are",
        ) from error


def see_scale(ratings: Collection[float]) -> Scale | None:
    """The scale that ratings are on, or None if they do not tell it.

    They tell it if both of its ends occur and nothing lies off its values.

    Args:
        ratings: The different ratings of a file.
    """
    if not ratings:
        return None
    ends = min(ratings), max(ratings)
    fitting = [scale for scale in SAFE if (scale.minimum, scale.maximum) == ends and all(map(scale.contains, ratings))]
    return fitting[0] if fitting else None


def unseen_scale(ratings: Collection[float]) -> str:
    """What the ratings look like, where they do not tell their scale."""
    if not ratings:
        return "no rating is a number"
    return f"the ratings go from {min(ratings):g} to {max(ratings):g}, which does not tell their scale"
