"""The types of `results.json`: what an evaluation writes, and what reports, scripts and `deeper learn` read.

The models' field order is the order of the keys in the file. Unknown keys are ignored, since benchmarks add their own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deeper.errors import UserError
from deeper.evaluation.json_parts import Difference, Ends, EngineUsed, MethodName, Number, NumberOrNone, Part
from deeper.evaluation.substance.entry import SubstanceEntry


class ErrorEntry(Part):
    """The error of one method in one round and role of one domain, or of a mean over domains.

    `ci` is the interval of `mae`; results of earlier versions lack the other intervals. `readout`, `calibrated`,
    `predictor` and `prediction` hold all values that occur, joined by "+".
    """

    domain: str
    method: MethodName
    round: int
    role: str
    mae: Number
    ci: Ends
    rmse: NumberOrNone
    crps: NumberOrNone
    crps_ci: Ends = (None, None)
    rank_accuracy: NumberOrNone
    rank_accuracy_ci: Ends = (None, None)
    users: int
    ratings: int
    readout: str
    calibrated: str
    predictor: str
    prediction: str
    search_n: int


class PairedEntry(Part):
    """The mean difference, by user, between the held-out MAE of a method and that of `against`, and of other measures.

    A table is all differences of one domain, one round and one kind of prediction. Results of earlier versions lack the
    p-values, and differences of the other measures.

    Attributes:
        difference, ci, p_value, p_adjusted, users: Those of the MAE, as in `Difference`.
        improved: Share of users with a lower MAE, averaged over domains.
        crps: The difference in CRPS.
        rank_accuracy: The difference in rank accuracy, where above 0 is better; None if a domain has no user whose
            ratings differ.
    """

    domain: str
    method: MethodName
    against: str
    round: int
    difference: Number
    ci: Ends
    p_value: NumberOrNone = None
    p_adjusted: NumberOrNone = None
    improved: Number
    users: int
    prediction: str
    crps: Difference | None = None
    rank_accuracy: Difference | None = None


ByMethodAndDomain = Mapping[str, Mapping[str, NumberOrNone]]


class Reductions(Part):
    """Reductions of the held-out MAE in per cent, by method and domain; above 0 is better."""

    across_windows: ByMethodAndDomain
    same_window: ByMethodAndDomain


class TextStatistics(Part):
    """Means over the personas of a method; None where no persona has a value."""

    tokens: NumberOrNone
    words: NumberOrNone
    redundancy: NumberOrNone
    retention: NumberOrNone
    distinctness: NumberOrNone


class NotAvailableBaseline(Part):
    """A baseline that could not be computed, and why."""

    method: str
    domain: str
    reason: str


class MissingError(Part):
    """The place of an `ErrorEntry` that a chosen method should have and has not; its `mae` is null."""

    domain: str
    method: str
    round: int
    role: str
    mae: None = None
    prediction: str
    reason: str


class FailedCalls(Part):
    """The calls of a method that failed.

    Attributes:
        method: The method; "initialise" for first personas, which methods share.
        what: What was asked for: "personas", "predictions" or "directions".
        failed: How many of them failed.
        calls: How many were asked for.
        reason: The commonest reason.
        asked_again: Whether the same command asks them again; a model on this machine would fail again.
    """

    method: str
    what: str
    failed: int
    calls: int
    reason: str
    asked_again: bool


class Summary(Part):
    """What the tables of a run say: errors, differences, reductions, failures, leaks, text.

    Attributes:
        users: Eval users by domain.
        errors: Errors from the persona alone first, then those of predictions with history.
        paired: Differences, in the same order.
        reduction: Of predictions from the persona alone.
        failures: Predictions that could not be read, by method.
        persona_failures: Personas that could not be written, by method.
        leaks: Share of personas that hold a title or a rating, by method.
        text: Statistics of the personas, by method.
        unrated: Windows of eval users without any rating, by domain.
        not_available: Baselines that could not be computed.
        missing: Errors that are not there although their method was chosen.
        substance: What the personas hold; results of earlier versions lack it.
    """

    users: dict[str, int]
    errors: list[ErrorEntry]
    paired: list[PairedEntry]
    reduction: Reductions
    failures: dict[str, int]
    persona_failures: dict[str, int]
    leaks: dict[str, Number]
    text: dict[str, TextStatistics]
    unrated: dict[str, int]
    not_available: list[NotAvailableBaseline]
    missing: list[MissingError] = []
    substance: list[SubstanceEntry] = []

    @property
    def is_complete(self) -> bool:
        """Whether every chosen method has all of its errors, apart from baselines that are not available."""
        unavailable = {entry.method for entry in self.not_available}
        return all(entry.method in unavailable for entry in self.missing)

    def as_json(self) -> dict[str, Any]:
        """The content of the JSON file."""
        return self.model_dump(mode="json")


class CalibrationFit(Part):
    """A calibration map: its exponent, and how many ratings it was fitted on. The map is in calibration.json."""

    exponent: float
    ratings: int


class HistoryFit(Part):
    """The weights of predictions with history in one domain.

    Attributes:
        fitted_on: "domain", or "pooled" for a domain without train users.
        shrinkage: Weight of the domain, in ratings.
        history: Exponent of the user's history.
        persona: Exponent of the persona's prediction.
        ratings: Ratings that the weights were fitted on.
    """

    fitted_on: str
    shrinkage: float
    history: float
    persona: float
    ratings: int


class StageCost(Part):
    """The cost of one stage, or of all."""

    calls: int
    tokens_prompt: int
    tokens_cached: int
    tokens_generated: int
    seconds: float


class Cost(Part):
    """The cost of a run, by stage and in total."""

    stages: dict[str, StageCost]
    total: StageCost


class Provenance(Part):
    """Where results come from.

    Attributes:
        commit: None outside a checkout.
        versions: Of Python and the packages that matter, by name.
        machine: System, processor, cores and, if one was used, accelerator.
        engines: By role, "policy" and "predictor"; empty in results of earlier versions.
        seed: Of everything random.
        config: All settings.
        source: The data.
        notes: What a user of the results should know.
        calibration: By domain, "pooled" or fold.
        history: By domain, then `with_persona` and `history_only`; empty without predictions with history.
    """

    commit: str | None
    versions: dict[str, str]
    machine: dict[str, Any]
    engines: dict[str, EngineUsed] = {}
    seed: int
    config: dict[str, Any]
    source: str
    notes: list[str]
    calibration: dict[str, CalibrationFit]
    history: dict[str, dict[str, HistoryFit]]


class Results(Summary, Provenance):
    """The content of results.json: the provenance, then the summary, then what failed, then the cost.

    Attributes:
        failed_calls: What failed, by method; methods without a failure are left out.
        cost: By stage and in total.
    """

    failed_calls: list[FailedCalls] = []
    cost: Cost


def parse_results(value: Any, where: str) -> Results:
    """The results that a JSON value holds.

    Args:
        value: What a JSON file held.
        where: The file's name, for the message.

    Raises:
        UserError: They are not the results of an evaluation.
    """
    try:
        return Results.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            f"these are not the results of an evaluation ({f'{place}: ' if place else ''}{first['msg']})",
            where=where,
            do="give the results.json of a finished run of deeper evaluate",
        ) from error


def read_results(path: Path) -> Results:
    """Read a results.json.

    Raises:
        UserError: There is no such file, it is damaged, or it holds something else.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            "there are no results", where=str(path), do="give the folder of a finished run of deeper evaluate"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"the file is damaged ({error})", where=str(path), do="run the same deeper evaluate command again"
        ) from error
    return parse_results(value, str(path))
