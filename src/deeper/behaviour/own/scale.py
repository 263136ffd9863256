"""The scale of the user's ratings file: as given, or inferred from the ratings where that is safe."""

from collections.abc import Collection

from deeper.domains import Scale
from deeper.errors import UserError

SCALE_SYNTAX = "MIN:MAX:STEP"
SCALE_EXAMPLES = "--scale 1:5:1 (stars), 0.5:5:0.5 (half stars), 0:1:1 (thumbs), 0:10:1, or 0:100:5"
COMFORTABLE_LABELS = 21
"""A scale with more values is slow and less accurate: servers show the probabilities of about 20 labels."""

INFERABLE_SCALES = (
    Scale(0, 1, 1),
    Scale(1, 5, 1),
    Scale(0.5, 5, 0.5),
    Scale(1, 5, 0.5),
    Scale(1, 7, 1),
    Scale(1, 10, 1),
    Scale(0.5, 10, 0.5),
)
"""Scales that ratings can show. Longer scales that begin at 0 are missing, because 0 often means "no rating"."""


def parse_scale(text: str) -> Scale:
    """Return the scale that a text such as "0.5:5:0.5" describes.

    Raises:
        UserError: The text has another form, describes no scale, or describes one with too many values.
    """
    try:
        minimum, maximum, step = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise UserError(
            f"{text!r} is not a scale", where="scale", do=f"write {SCALE_SYNTAX}: {SCALE_EXAMPLES}"
        ) from error
    try:
        return Scale(minimum, maximum, step)
    except UserError as error:
        raise UserError(
            f"{error.what} ({text})",
            where="scale",
            do=f"write {SCALE_SYNTAX}; a larger STEP gives fewer values, and ratings between them are kept as they are",
        ) from error


def infer_scale(ratings: Collection[float]) -> Scale | None:
    """Return the scale of some ratings, or None if they do not show it.

    They show it if both of its ends occur and every rating is one of its values.

    Args:
        ratings: The distinct ratings of the file.
    """
    if not ratings:
        return None
    ends = min(ratings), max(ratings)
    matching = [
        scale
        for scale in INFERABLE_SCALES
        if (scale.minimum, scale.maximum) == ends and all(map(scale.contains, ratings))
    ]
    return matching[0] if matching else None


def unclear_scale(ratings: Collection[float]) -> str:
    """Return a message for ratings that do not show their scale."""
    if not ratings:
        return "no rating is a number"
    return f"the ratings go from {min(ratings):g} to {max(ratings):g}, which does not show their scale"
