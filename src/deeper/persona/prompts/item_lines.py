"""Show items and their ratings as lines of a prompt."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deeper.domains import Domain
from deeper.domains.levels import verdict_words
from deeper.persona.recipe import RECIPE

MEDIAN_HEAD = "in the middle"
"""How the line with the median starts."""


Item = Mapping[str, Any]
"""One row of `behaviour.schema.ITEM`: item, title, categories, rating, time."""


def quote(title: str) -> str:
    """A title as a JSON string on one line, whatever it contains; a long one is cut."""
    shown = title if title.isprintable() else "".join(c if c.isprintable() else " " for c in title)
    line = " ".join(shown.split())
    most = RECIPE.title_characters
    return json.dumps(line if len(line) <= most else line[: most - 1] + "…", ensure_ascii=False)


def item_lines(titles: Sequence[str], standings: Sequence[str] | None = None) -> list[str]:
    """Show items to predict, a line each: the quoted title, and what is said beside it.

    Args:
        titles: The items' titles.
        standings: What to say of each item (`item_knowledge.standing_words`); None for nothing.
    """
    return [quote(title) + words for title, words in zip(titles, standings or [""] * len(titles), strict=True)]


def rating_lines(items: Sequence[Item], domain: Domain) -> str:
    """List ratings: one line for each rating, the best first, with its titles in time order; then the median.

    The median is stated in words too. A small model copies these words, and learns neither to count nor to turn
    numbers into words.
    """
    lines = ((-item["rating"], _rating_text(item["rating"], domain), item["title"]) for item in items)
    rated = [item["rating"] for item in items if item["rating"] not in domain.unrated]
    return _lines(lines, _level(float(np.median(rated)), domain) if rated else "")


def discrepancy_lines(items: Sequence[Item], predicted: Sequence[float] | None, domain: Domain) -> str:
    """List discrepancies: one line for each pair of actual and predicted rating, the best first, with its titles.

    Each line says whether the prediction is right, too high or too low. The last line compares the medians, over the
    items that have a rating.

    Args:
        items: The window.
        predicted: A predicted point for each item, or None where there is no prediction.
        domain: Gives the scale, to which predictions are rounded.
    """
    scale = domain.scale
    points = scale.round(np.array(predicted)).tolist() if predicted is not None else [None] * len(items)
    lines: list[tuple[Any, str, str]] = []
    for item, point in zip(items, points, strict=True):
        head = f"actual {_rating_text(item['rating'], domain)}, "
        if point is None:
            head += "predicted unknown"
        else:
            head += f"predicted {point:g}"
            if item["rating"] not in domain.unrated:
                head += _direction(point - item["rating"])
        lines.append(((-item["rating"], -(point or 0)), head, item["title"]))
    return _lines(lines, _medians(items, points, domain))


def _medians(items: Sequence[Item], points: Sequence[float | None], domain: Domain) -> str:
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
    """A rating as a number and in the words that personas use."""
    return f"{rating:g} ({verdict_words(rating, domain.scale)})"


def _direction(error: float) -> str:
    return ", right" if error == 0 else ", too high" if error > 0 else ", too low"


def _lines(lines: Iterable[tuple[Any, str, str]], median: str) -> str:
    """Lines from (order, head, title), with the titles of equal heads on one line, and a last line for the median."""
    titles: dict[tuple[Any, str], list[str]] = {}
    for order, head, title in lines:
        titles.setdefault((order, head), []).append(quote(title))
    grouped = sorted(titles.items(), key=lambda entry: entry[0])
    listed = [f"{head}: {', '.join(group)}" for (_, head), group in grouped]
    return "\n".join([*listed, f"{MEDIAN_HEAD}: {median}"] if median else listed)


def _rating_text(rating: float, domain: Domain) -> str:
    return "not rated" if rating in domain.unrated else f"{rating:g}"
