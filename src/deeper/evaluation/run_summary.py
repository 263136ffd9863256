"""What a run used, as `results.json` holds it: calibration maps, weights of predictions with history, and cost."""

from collections.abc import Mapping

import pyarrow as pa

from deeper.domains import Domain
from deeper.evaluation.methods import HISTORY_ONLY
from deeper.evaluation.results_schema import CalibrationFit, Cost, HistoryFit, StageCost
from deeper.persona.calibration import Calibration
from deeper.persona.cross_fit import CrossFit
from deeper.persona.history import History


def calibration_fits(calibration: Calibration | CrossFit) -> dict[str, CalibrationFit]:
    """The fitted maps by domain, "pooled" included; of a cross-fit by domain and fold."""
    if isinstance(calibration, CrossFit):
        return {
            f"{name}, fold {number}": fit
            for number, fold in enumerate(calibration.folds)
            for name, fit in calibration_fits(fold).items()
        }
    maps = {**calibration.domains, **({"pooled": calibration.pooled} if calibration.pooled else {})}
    return {name: CalibrationFit(exponent=found.exponent, ratings=found.ratings) for name, found in maps.items()}


def history_fits(history: History | None, domains: Mapping[str, Domain]) -> dict[str, dict[str, HistoryFit]]:
    """The weights `with_persona` and of `history_only`, by domain; empty for a run without history."""
    fits: dict[str, dict[str, HistoryFit]] = {}
    if history is None:
        return fits
    for name, domain in domains.items():
        for label, pools in (("with_persona", history.with_persona), (HISTORY_ONLY, history.alone)):
            fitted_on, pool = pools.find(domain)
            if pool is not None:
                fits.setdefault(name, {})[label] = HistoryFit(
                    fitted_on=fitted_on,
                    shrinkage=pool.shrinkage,
                    history=pool.history,
                    persona=pool.persona,
                    ratings=pool.ratings,
                )
    return fits


def total_cost(costs: pa.Table) -> Cost:
    """The cost by stage and in total.

    Args:
        costs: `COST` rows, one a shard.
    """
    names = list(StageCost.model_fields)
    stages: dict[str, dict[str, float]] = {}
    for row in costs.to_pylist():
        stage = stages.setdefault(row["stage"], dict.fromkeys(names, 0))
        for name in names:
            stage[name] = round(stage[name] + row[name], 3)
    total = {name: round(sum(stage[name] for stage in stages.values()), 3) for name in names}
    return Cost.model_validate({"stages": stages, "total": total})
