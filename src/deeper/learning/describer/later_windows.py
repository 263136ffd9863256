"""What personas can say that are begun with the first window and updated with each further one.

An updater sees the old persona and the new window, and not what came before: of that only the old words are left.
"""

from collections.abc import Sequence
from dataclasses import replace

from deeper.behaviour.levels import halfway
from deeper.domains import Domain, Scale
from deeper.learning.describer.facts import KINDS_TOLD, Facts, Window, drift, facts


def evolved(windows: Sequence[Window], domain: Domain) -> Facts:
    """What the persona says after the last window, if each update says what can be known.

    Args:
        windows: W_0..W_k in time order, at least one.
        domain: The domain of all of them.
    """
    known = facts(windows[:1], domain)
    for k in range(1, len(windows)):
        known = updated(known, windows[: k + 1], domain)
    return known


def updated(old: Facts, windows: Sequence[Window], domain: Domain, predicted: float | None = None) -> Facts:
    """What an updated persona says: only what can be known from the old one and the new window.

    The typical verdict has moved half the way that the errors point to (`moved`). How the ratings lie around it is the
    new window's; whether they change is the new window's against all before it; of kinds of items, those of the new
    window stand before those that the old persona has told. What all ratings would say would be guessed.

    Args:
        old: What the old persona says.
        windows: W_0..W_k in time order; the last is the new one.
        domain: The domain of all of them.
        predicted: The middle of what was predicted of the new window, on the scale; None if nothing was.
    """
    new = facts(windows[-1:], domain)

    def kinds(now: Sequence[str], before: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
        return (*now, *(kind for kind in before if kind not in (*now, *other)))[:KINDS_TOLD]

    pleasing = kinds(new.pleasing, old.pleasing, new.disappointing)
    disappointing = kinds(new.disappointing, old.disappointing, new.pleasing)
    if not new.count:
        return replace(old, pleasing=pleasing, disappointing=disappointing)
    verdict = moved(old.median if old.count else new.median, new.median, domain.scale, predicted)
    known = facts(windows[-1:], domain, verdict)
    return replace(known, drift=drift(windows, domain), pleasing=pleasing, disappointing=disappointing)


def moved(old: float, new: float, scale: Scale, predicted: float | None = None) -> float:
    """The verdict of an update: halfway to the new middle, from the old verdict or from what it was misread as.

    Args:
        old: The old persona's verdict, a half step of the scale.
        new: The middle of the new window.
        scale: The scale.
        predicted: The middle of what was predicted of the new window; None if nothing was.
    """
    if predicted is not None and abs(predicted - old) > scale.step / 2:
        return halfway(predicted, new, scale)
    return halfway(old, new, scale)
