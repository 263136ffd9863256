"""Whether personas name the taste that was planted: which kinds, and on which side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from deeper.behaviour.planted.check import PlantedFolder
from deeper.behaviour.planted.plant import KINDS, liked_at
from deeper.errors import UserError
from deeper.evaluation.runs.load_run import Run
from deeper.evaluation.substance.read_kinds import named_kinds
from deeper.evaluation.substance.vocabulary import Vocabulary
from deeper.measure.intervals import Interval, domain_ratio_interval


@dataclass(frozen=True)
class TasteRecall:
    """What the personas of a method name of the planted taste.

    Attributes:
        users: Number of users.
        recall: Share of the planted liked and disliked kinds that the personas name on the right side, over all users.
        wrong: Share of the kinds that the personas name which are neutral or on the wrong side; NaN if they name none.
    """

    users: int
    recall: Interval
    wrong: Interval


def taste_recall(run: Run, planted: PlantedFolder, method: str, k: int) -> TasteRecall:
    """Hold the personas S_k of a method against the taste that is in force in W_k.

    Args:
        run: A run on these planted users.
        planted: The users and their truth.
        method: The updater.
        k: The round.

    Raises:
        UserError: The run has no such persona, or judged other users.
    """
    written = "initialise" if k == 0 else method
    chosen = (pc.field("method") == written) & (pc.field("k") == k) & (pc.field("stage") == "final")
    rows: list[Any] = run.personas.filter(chosen).select(["user", "text"]).to_pylist()
    if not rows or any(row["user"] not in planted.truth for row in rows):
        raise UserError(
            f"the run has no personas of {method} in round {k} for these users",
            where=str(run.folder),
            do="give a run of that many rounds on this folder of planted users",
        )
    vocabulary = Vocabulary([(kind.casefold(), kind) for kind in KINDS], planted.domain)
    counts = [_counts(named_kinds(row["text"], vocabulary), planted.truth[row["user"]], k) for row in rows]
    right, stated, in_force = np.array(counts, np.float64).T
    return TasteRecall(
        users=len(rows),
        recall=domain_ratio_interval([right], [in_force]),
        wrong=domain_ratio_interval([stated - right], [stated]),
    )


def _counts(named: Mapping[str, int], truth: Mapping[str, Any], k: int) -> Sequence[int]:
    """How many kinds are named rightly, how many are named, and how many are planted."""
    sides = {kind.casefold(): 1 for kind in liked_at(truth, k)}
    sides |= {kind.casefold(): -1 for kind in truth["disliked"]}
    right = sum(sides.get(kind) == side for kind, side in named.items())
    return right, len(named), len(sides)
