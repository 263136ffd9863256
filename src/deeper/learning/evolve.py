"""What personas can say that are begun with the first window and updated with each further one.

An updater sees the old persona and the new window, and not what came before: of that only the old words are left.
"""

from collections.abc import Sequence
from dataclasses import replace

from deeper.behaviour.levels import halfway
from deeper.domains import Domain
from deeper.learning.facts import KINDS_TOLD, Facts, Window, drift, facts


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

    The typical verdict is halfway from the old one to the middle of the new window. To refine is to go half the way
    that the errors point to: where the old words were read as something else, it starts from what was predicted. How
    the ratings lie around it is the new window's; whether they change is the new window's against all before it; of
    kinds of items, those of the new window stand before those that the old persona has told. The same of all ratings
    would predict a little better, and would be guessed.

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
    start = old.median if old.count else new.median
    if predicted is not None and abs(predicted - start) > domain.scale.step / 2:
        start = predicted
    known = facts(windows[-1:], domain, halfway(start, new.median, domain.scale))
    return replace(known, drift=drift(windows, domain), pleasing=pleasing, disappointing=disappointing)
