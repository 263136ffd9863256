"""Calibration without train users: a user's predictions are calibrated by maps fitted on other users.

Users are dealt into a few folds. The maps of a fold are fitted on all other folds, so every user can be evaluated and
no user's own ratings shape the map that calibrates them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from deeper.behaviour.splits import user_hash
from deeper.behaviour.users import Key, Windows, keys_of
from deeper.domains import Domain
from deeper.persona.calibration import Calibration, fit_calibration
from deeper.persona.recipe import RECIPE

FITTED_ON_OTHERS = "others"
"""Value of `calibrated` for a map that was fitted on other evaluated users of the same domain."""


@dataclass(frozen=True)
class CrossFit:
    """The maps of all folds.

    Attributes:
        folds: For each fold, the calibration that was fitted on all other folds.
        users: The fold of each user, by domain and then by user id.
    """

    folds: tuple[Calibration, ...]
    users: Mapping[str, Mapping[str, int]]

    def calibrate(self, table: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
        """Calibrate each `PREDICTION` row by the maps of its user's fold; the order stays."""
        rows = table.to_pylist()
        fold_of_row = [self.users[row["domain"]][row["user"]] for row in rows]
        calibrated = [
            iter(maps.calibrate(_where(table, [i == fold for i in fold_of_row]), domains).to_pylist())
            for fold, maps in enumerate(self.folds)
        ]
        merged = [next(calibrated[fold]) for fold in fold_of_row]
        for row in merged:
            row["calibrated"] = FITTED_ON_OTHERS if row["calibrated"] == "domain" else row["calibrated"]
        return pa.Table.from_pylist(merged, schema=table.schema)


def cross_fit(predictions: pa.Table, windows: Windows, domains: Mapping[str, Domain]) -> CrossFit:
    """Deal users into folds, and fit the maps of each fold on the others.

    Args:
        predictions: Uncalibrated `PREDICTION` rows of W_1 from S_0.
        windows: The windows of all users. A hash of the id decides a user's fold.
        domains: By id.
    """
    keys: list[Key] = sorted(windows, key=lambda key: user_hash(*key))
    count = max(1, min(RECIPE.calibration_folds, len(keys)))
    fold_of = {key: i % count for i, key in enumerate(keys)}
    users: dict[str, dict[str, int]] = {}
    for (domain, user), i in fold_of.items():
        users.setdefault(domain, {})[user] = i
    fold_of_row = [fold_of[key] for key in keys_of(predictions)]
    folds = tuple(
        fit_calibration(_where(predictions, [fold != i for fold in fold_of_row]), windows, domains)
        for i in range(count)
    )
    return CrossFit(folds, users)


def _where(table: pa.Table, mask: list[bool]) -> pa.Table:
    return table.filter(pa.array(mask, pa.bool_()))
