"""One user before a run: a persona, what it predicts, and its first refinement.

It is computed apart and never stored: in another batch, the same calls may differ in the last digits. Predictions are
not calibrated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from deeper.commands.evaluate.plan import RunPlan
from deeper.domains import Domain
from deeper.measure.word_changes import Change, word_changes
from deeper.persona.evidence.lines import error_lines
from deeper.persona.rounds import asked_for
from deeper.persona.update_input import update_row
from deeper.storage.stage import InMemory

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Preview:
    """One user's first two windows and personas.

    Attributes:
        user: The user's id.
        domain: The user's domain.
        first: W_0, which the persona was written from.
        second: W_1, which the persona predicts and the refinement reads.
        persona: S_0; empty if it could not be written.
        predicted: Ratings of `second` predicted from S_0, rounded to the scale; None if the prediction failed.
        evidence: What the refinement's prompt says below the discrepancies; none with the setting `evidence = none`.
        changes: How S_1 differs from S_0, word by word; empty if either could not be written.
        will_calibrate: Whether the run will calibrate its predictions; those here are not calibrated.
    """

    user: str
    domain: Domain
    first: Sequence[Item]
    second: Sequence[Item]
    persona: str
    predicted: Sequence[float] | None
    evidence: Sequence[str]
    changes: tuple[Change, ...]
    will_calibrate: bool


def preview(plan: RunPlan) -> Preview:
    """Write, predict and refine the persona of the plan's first user.

    Raises:
        UserError: An engine cannot work.
    """
    key, windows = next((key, own) for key, own in plan.population.eval.items() if len(own) > 1)
    loop, domain = plan.loop(InMemory()), plan.loaded.domains[key[0]]
    [first] = loop.initialise({key: windows}).to_pylist()
    [prediction] = loop.predict("predict-0", asked_for([(first, [1])], {key: windows})).to_pylist()
    points = None if prediction["failure"] else prediction["points"]
    [refined] = loop.write(
        "update-1", [partial(update_row, key, "refine", 1, first, windows, points)], ["refine"]
    ).to_pylist()

    has_evidence = plan.prompts.evidence == "kinds"
    is_whole = not first["failure"] and not refined["failure"]
    return Preview(
        user=key[1],
        domain=domain,
        first=windows[0],
        second=windows[1],
        persona=first["text"],
        predicted=None if points is None else domain.scale.round(np.array(points)).tolist(),
        evidence=error_lines(windows[1], points, domain, known_windows=2) if has_evidence else (),
        changes=word_changes(first["text"], refined["text"]) if is_whole else (),
        will_calibrate=plan.settings.calibrates,
    )
