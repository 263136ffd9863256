"""What a persona can say after an update, which sees only the old persona and the new window: one rule for each fact.

- The middle, the spread and the extremes move from what the old persona says towards the new window: half of the way
  with the second window, and a third later. A refinement starts from the predicted middle where that
  differs, since the predictor then misread the persona.
- What is told of a kind adds up: two hedged statements make a clear one, opposite ones cancel, and what the new window
  does not show stays. This adds log-odds of a sign from independent evidence, in steps.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deeper.domains import Domain, Scale
from deeper.persona.describer.recipe import DESCRIBER
from deeper.persona.evidence.facts import CLEAR, Facts, KindVerdict, Window, facts_of, known_level, verdicts_on_kinds
from deeper.persona.evidence.lines import error_effects
from deeper.persona.evidence.recipe import EVIDENCE


def facts_after_updates(windows: Sequence[Window], domain: Domain) -> Facts:
    """The facts in a persona that starts from the first window and is updated with each later one.

    Args:
        windows: W_0..W_k in time order, at least one.
        domain: The domain of all of them.
    """
    known = facts_of(windows[:1], domain)
    for k in range(1, len(windows)):
        known = update_facts(known, windows[k], k + 1, domain)
    return known


def update_facts(
    old: Facts, window: Window, windows: int, domain: Domain, predicted: Sequence[float] | None = None
) -> Facts:
    """The facts of an updated persona: only what the old persona and the new window show.

    Args:
        old: What the old persona says.
        window: The new window.
        windows: Windows that the user has had, the new one included.
        domain: The domain of the window.
        predicted: Predicted points of the window, on the scale; None for an update without predictions.
    """
    new = facts_of([window], domain)
    if not new.count:
        return replace(old, known=known_level(windows), drift=0)
    if not old.count:
        return replace(new, known=known_level(windows))
    shown = new.kinds if predicted is None else verdicts_on_kinds(error_effects(window, predicted, domain))
    middle = None if predicted is None else float(np.median(np.array(predicted)))
    return merged(replace(new, kinds=shown), old, windows, domain.scale, middle)


def merged(new: Facts, old: Facts, windows: int, scale: Scale, predicted: float | None = None) -> Facts:
    """The facts of an old persona and of newer ratings together.

    Args:
        new: What the newer ratings show.
        old: What the old persona says.
        windows: Windows that the user has had, the new one included.
        scale: The scale.
        predicted: Median of the predicted ratings of the new window; None without a prediction.
    """
    change = new.median - old.median
    return Facts(
        count=old.count + new.count,
        median=updated_median(old.median, new.median, windows, scale, predicted),
        spread=_moved(old.spread, new.spread, windows),
        best=_moved(old.best, new.best, windows),
        worst=_moved(old.worst, new.worst, windows),
        known=known_level(windows),
        drift=0 if abs(change) < EVIDENCE.drift * (scale.maximum - scale.minimum) else 1 if change > 0 else -1,
        kinds=added_up(old.kinds, new.kinds),
    )


def updated_median(old: float, new: float, windows: int, scale: Scale, predicted: float | None = None) -> float:
    """The median that an updated persona states, to half a step.

    Args:
        old: Median that the old persona states.
        new: Median of the newer ratings.
        windows: Windows that the user has had, the new one included.
        scale: The scale.
        predicted: Median of the predicted ratings of the new window; None without a prediction.
    """
    start = old if predicted is None or abs(predicted - old) <= scale.step / 2 else predicted
    half = scale.step / 2
    first, last = (round((one - scale.minimum) / half) for one in (start, new))
    return scale.minimum + half * _moved(first, last, windows)


def added_up(old: Sequence[KindVerdict], new: Sequence[KindVerdict]) -> tuple[KindVerdict, ...]:
    """What is told of kinds after an update: strengths add up, within ±2.

    Args:
        old: What the old persona tells.
        new: What the newer ratings show.

    Returns:
        Kinds above the rest, then those below; on each side the clear ones first, and of equals the older ones.
    """
    sums: dict[str, tuple[str, int]] = {}
    for one in (*old, *new):
        name, strength = sums.get(one.name.casefold(), (one.name, 0))
        sums[one.name.casefold()] = (name, max(-CLEAR, min(CLEAR, strength + one.strength)))
    told = [KindVerdict(name, strength) for name, strength in sums.values() if strength]

    def side(sign: int) -> list[KindVerdict]:
        return sorted((one for one in told if one.strength * sign > 0), key=lambda one: -abs(one.strength))

    return (*side(1)[: EVIDENCE.max_kinds], *side(-1)[: EVIDENCE.max_kinds])


def _moved(old: int, new: int, windows: int) -> int:
    """A level after an update, rounded towards the new one: if ties went up, levels that move often would climb."""
    steps = abs(new - old) / min(windows, DESCRIBER.slowest)
    size = int(steps + 0.5)
    return old + size if new > old else old - size
