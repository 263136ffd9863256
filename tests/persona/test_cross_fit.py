"""Each user is calibrated on others: no own rating is in the own map."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deeper.domains import Domain, Scale
from deeper.persona.calibration import fit_calibration
from deeper.persona.cross_fit import cross_fit
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PREDICTION

DOMAIN = Domain("coves", "Coves", "cove", Scale(1, 5, 1))
DOMAINS = {"coves": DOMAIN}


def predictions_and_windows(count: int, seed: int = 1) -> tuple[pa.Table, dict[tuple[str, str], list[Any]]]:
    """Predictions of W_1 and the windows W_0, W_1."""
    rng = np.random.default_rng(seed)
    windows: dict[tuple[str, str], list[Any]] = {}
    rows: list[dict[str, Any]] = []
    for number in range(count):
        user = f"user-{number}"
        windows["coves", user] = [[{"rating": float(one)} for one in rng.integers(1, 6, 10)] for _ in range(2)]
        distribution = rng.dirichlet(np.ones(5), 10)
        rows.append(
            {
                **{"persona_id": user, "user": user, "domain": "coves", "k": 1, "readout": "distribution"},
                **{"points": [3.0] * 10, "distribution": distribution.tolist(), "calibrated": "off", "failure": ""},
            }
        )
    return pa.Table.from_pylist(rows, schema=PREDICTION), windows


@pytest.mark.parametrize("count", [2, 3, 12])
def test_every_user_goes_through_the_map_of_all_other_folds(count: int) -> None:
    predictions, windows = predictions_and_windows(count)
    fitted = cross_fit(predictions, windows, DOMAINS)
    assert len(fitted.folds) == min(count, RECIPE.calibration_folds)
    found = fitted.calibrate(predictions, DOMAINS).to_pylist()
    assert [row["user"] for row in found] == predictions["user"].to_pylist()
    for i, row in enumerate(found):
        fold = fitted.users["coves"][row["user"]]
        others = pa.array([fitted.users["coves"][user] != fold for user in predictions["user"].to_pylist()])
        maps = fit_calibration(predictions.filter(others), windows, DOMAINS)
        [expected] = maps.calibrate(predictions.slice(i, 1), DOMAINS).to_pylist()
        assert row == {**expected, "calibrated": "others"}


def test_own_ratings_do_not_change_the_own_predictions() -> None:
    predictions, windows = predictions_and_windows(4)
    before = cross_fit(predictions, windows, DOMAINS).calibrate(predictions, DOMAINS).to_pylist()
    windows["coves", "user-2"][1] = [{"rating": 5.0}] * 10
    after = cross_fit(predictions, windows, DOMAINS).calibrate(predictions, DOMAINS).to_pylist()
    changed = [row["user"] for row, other in zip(before, after, strict=True) if row != other]
    assert changed == ["user-0", "user-1", "user-3"]


def test_a_single_user_is_not_calibrated() -> None:
    predictions, windows = predictions_and_windows(1)
    fitted = cross_fit(predictions, windows, DOMAINS)
    assert [one.pooled for one in fitted.folds] == [None]
    assert fitted.calibrate(predictions, DOMAINS).equals(predictions)
