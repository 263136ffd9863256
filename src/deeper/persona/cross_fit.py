"""Calibration without train users: each user's predictions are mapped by what was fitted on other users.

Users are dealt into a few folds, and the map of a fold is fitted on all other folds. So no user's own ratings shape the
map that calibrates them, and every user can be evaluated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from deeper.behaviour.splits import user_hash
from deeper.behaviour.users import Key, Windows
from deeper.domains import Domain
from deeper.persona.calibration import Calibration, fit_calibration
from deeper.persona.recipe import RECIPE

OTHERS = "others"
"""What `calibrated` says of a map that was fitted on other users of the same domain who are judged, too."""


@dataclass(frozen=True)
class CrossFit:
    """The maps of all folds.

    Attributes:
        folds: The calibration of each fold's users, fitted on the others.
        users: The fold of each user, by domain and id.
    """

    folds: tuple[Calibration, ...]
    users: Mapping[str, Mapping[str, int]]

    def calibrate(self, table: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
        """Apply each user's calibration to uncalibrated `PREDICTION` rows, and keep their order."""
        rows = table.to_pylist()
        fold = [self.users[row["domain"]][row["user"]] for row in rows]
        found = [
            iter(maps.calibrate(table.filter(pa.array([one == i for one in fold], pa.bool_())), domains).to_pylist())
            for i, maps in enumerate(self.folds)
        ]
        merged = [next(found[i]) for i in fold]
        for row in merged:
            row["calibrated"] = OTHERS if row["calibrated"] == "domain" else row["calibrated"]
        return pa.Table.from_pylist(merged, schema=table.schema)


def cross_fit(predictions: pa.Table, windows: Windows, domains: Mapping[str, Domain]) -> CrossFit:
    """Fit the maps.

    Args:
        predictions: Uncalibrated `PREDICTION` rows of W_1 from S_0.
        windows: The windows of all users; each user gets a fold, by a hash of the id.
        domains: By id.
    """
    keys: list[Key] = sorted(windows, key=lambda key: user_hash(*key))
    count = max(1, min(RECIPE.calibration_folds, len(keys)))
    fold = {key: i % count for i, key in enumerate(keys)}
    users: dict[str, dict[str, int]] = {}
    for (domain, user), i in fold.items():
        users.setdefault(domain, {})[user] = i
    owners = [fold[row["domain"], row["user"]] for row in predictions.select(["domain", "user"]).to_pylist()]
    folds = tuple(
        fit_calibration(predictions.filter(pa.array([owner != i for owner in owners], pa.bool_())), windows, domains)
        for i in range(count)
    )
    return CrossFit(folds, users)
