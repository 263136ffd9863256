"""Items and their ratings as the lines of a prompt."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deeper.behaviour.levels import verdict_words
from deeper.domains import Domain
from deeper.persona.recipe import RECIPE

MIDDLE = "in the middle"
"""Head of the line with the median."""


Item = Mapping[str, Any]
"""One row of `behaviour.schema.ITEM`: item, title, rating, time."""


def quote(title: str) -> str:
    """A title as one line between quotes, whatever it contains: JSON, cut where it is too long."""
    shown = title if title.isprintable() else "".join(c if c.isprintable() else " " for c in title)
    plain = " ".join(shown.split())
    most = RECIPE.title_characters
    return json.dumps(plain if len(plain) <= most else plain[: most - 1] + "…", ensure_ascii=False)


def rating_lines(items: Sequence[Item], domain: Domain) -> str:
    """One line a rating, the best first, with the titles that got it in time order; then the score in the middle.

    A small model copies a level that it is told in words, and learns neither to count nor to turn numbers into words.
    """
    lines = ((-item["rating"], _said(item["rating"], domain), item["title"]) for item in items)
    rated = [item["rating"] for item in items if item["rating"] not in domain.unrated]
    return _lines(lines, _level(float(np.median(rated)), domain) if rated else "")


def discrepancy_lines(items: Sequence[Item], predicted: Sequence[float] | None, domain: Domain) -> str:
    """One line an actual and a predicted rating, the best first, with the direction of the error and the titles.

    Then the middle of both, over the items that have a rating.

    Args:
        items: The window.
        predicted: Predicted points, one an item, or None where there is no prediction.
        domain: Gives the scale; predictions are rounded to it.
    """
    scale = domain.scale
    points = scale.round(np.array(predicted)).tolist() if predicted is not None else [None] * len(items)
    lines: list[tuple[Any, str, str]] = []
    for item, point in zip(items, points, strict=True):
        head = f"actual {_said(item['rating'], domain)}, "
        if point is None:
            head += "predicted unknown"
        else:
            head += f"predicted {point:g}"
            if item["rating"] not in domain.unrated:
                head += _direction(point - item["rating"])
        lines.append(((-item["rating"], -(point or 0)), head, item["title"]))
    return _lines(lines, _middle(items, points, domain))


def _middle(items: Sequence[Item], points: Sequence[float | None], domain: Domain) -> str:
    """The medians of actual and predicted ratings, over the items that have a rating."""
    rated = [(item["rating"], p) for item, p in zip(items, points, strict=True) if item["rating"] not in domain.unrated]
    if not rated:
        return ""
    actual = float(np.median([rating for rating, _ in rated]))
    known = [point for _, point in rated if point is not None]
    if not known:
        return f"actual {_level(actual, domain)}, predicted unknown"
    predicted = float(np.median(known))
    return f"actual {_level(actual, domain)}, predicted {_level(predicted, domain)}{_direction(predicted - actual)}"


def _level(rating: float, domain: Domain) -> str:
    """The number and what it means, as personas say it."""
    return f"{rating:g} ({verdict_words(rating, domain.scale)})"


def _direction(error: float) -> str:
    return ", right" if error == 0 else ", too high" if error > 0 else ", too low"


def _lines(lines: Iterable[tuple[Any, str, str]], middle: str) -> str:
    """Lines of (order, head, title), with the titles of equal heads on one line, and a line on the middle, if any."""
    titles: dict[tuple[Any, str], list[str]] = {}
    for order, head, title in lines:
        titles.setdefault((order, head), []).append(quote(title))
    grouped = sorted(titles.items(), key=lambda entry: entry[0])
    told = [f"{head}: {', '.join(group)}" for (_, head), group in grouped]
    return "\n".join([*told, f"{MIDDLE}: {middle}"] if middle else told)


def _said(rating: float, domain: Domain) -> str:
    return "not rated" if rating in domain.unrated else f"{rating:g}"
