"""What a persona can say after several updates, when each update sees only the old text and the new window."""

from collections.abc import Sequence
from dataclasses import replace

from deeper.domains import Domain, Scale
from deeper.domains.levels import halfway
from deeper.learning.describer.facts import Facts, Window, drift, facts_of
from deeper.learning.describer.recipe import DESCRIBER


def facts_after_updates(windows: Sequence[Window], domain: Domain) -> Facts:
    """The facts in a persona that starts from the first window and is updated with each later one.

    Args:
        windows: W_0..W_k in time order, at least one.
        domain: The domain of all of them.
    """
    known = facts_of(windows[:1], domain)
    for k in range(1, len(windows)):
        known = update_facts(known, windows[: k + 1], domain)
    return known


def update_facts(old: Facts, windows: Sequence[Window], domain: Domain, predicted: float | None = None) -> Facts:
    """The facts of an updated persona: only what the old persona and the new window show.

    - The median moves half the way that the errors point to (`updated_median`).
    - Spread, lean and extremes are those of the new window.
    - The drift compares the new window with all before it.
    - Kinds of the new window come first, then those that the old persona names.

    Args:
        old: What the old persona says.
        windows: W_0..W_k in time order; the last is the new one.
        domain: The domain of all of them.
        predicted: Median of the predicted ratings of the new window, on the scale; None without a prediction.
    """
    new = facts_of(windows[-1:], domain)

    def kinds(now: Sequence[str], before: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
        return (*now, *(kind for kind in before if kind not in (*now, *other)))[: DESCRIBER.max_kinds]

    pleasing = kinds(new.pleasing, old.pleasing, new.disappointing)
    disappointing = kinds(new.disappointing, old.disappointing, new.pleasing)
    if not new.count:
        return replace(old, pleasing=pleasing, disappointing=disappointing)
    median = updated_median(old.median if old.count else new.median, new.median, domain.scale, predicted)
    known = facts_of(windows[-1:], domain, median)
    return replace(known, drift=drift(windows, domain), pleasing=pleasing, disappointing=disappointing)


def updated_median(old: float, new: float, scale: Scale, predicted: float | None = None) -> float:
    """The median that an updated persona states: halfway from the old one to that of the new window.

    Where the predictor misread the old persona, the way starts from the predicted median instead.

    Args:
        old: Median that the old persona states, a half step of the scale.
        new: Median of the new window.
        scale: The scale.
        predicted: Median of the predicted ratings of the new window; None without a prediction.
    """
    if predicted is not None and abs(predicted - old) > scale.step / 2:
        return halfway(predicted, new, scale)
    return halfway(old, new, scale)
