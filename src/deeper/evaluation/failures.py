"""What failed in a run: which calls, and which methods have no error because of that."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from deeper.engine import Engine, may_answer_later
from deeper.evaluation.comparison import CellKey, DomainGroup
from deeper.evaluation.methods import BASELINES, METHODS
from deeper.evaluation.results_schema import FailedCalls, MissingError, NotAvailableBaseline
from deeper.persona.rounds import ROLE_OFFSETS
from deeper.persona.stages import CONTROL_METHODS

REASON_CHARACTERS = 120
"""Reports cut a longer reason: servers send whole pages."""


class _Failure(NamedTuple):
    """A persona that could not be written, or a prediction that could not be read."""

    domain: str
    method: str
    reason: str


def failed_predictions(predictions: pa.Table, personas: pa.Table) -> dict[str, int]:
    """The number of predictions that could not be read, by method.

    Predictions from S_0 count for "initialise", those from short-term personas for their method.
    """
    methods: list[Any] = personas["method"].to_pylist()
    counts = Counter(failure.method for failure in _unread(predictions, personas))
    return {method: counts[method] for method in dict.fromkeys(methods)}


def failed_personas(personas: pa.Table) -> dict[str, int]:
    """The number of personas that could not be written, and so kept their parent's text, by method."""
    counts = Counter(failure.method for failure in _unwritten(personas))
    methods: list[Any] = personas["method"].unique().to_pylist()
    return {method: counts[method] for method in methods if method not in CONTROL_METHODS}


def failed_calls(personas: pa.Table, predictions: pa.Table, policy: Engine, predictor: Engine) -> list[FailedCalls]:
    """What failed of each method, personas first; methods without a failure are left out.

    Args:
        personas: PERSONA rows.
        predictions: PREDICTION rows from these personas.
        policy: The engine that wrote the personas.
        predictor: The engine that made the predictions.
    """
    written: list[Any] = personas["method"].to_pylist()
    return [
        *counted("personas", written, personas["failure"].to_pylist(), policy),
        *counted("predictions", _methods_of(predictions, personas), predictions["failure"].to_pylist(), predictor),
    ]


def counted(what: str, methods: Sequence[str], failures: Sequence[Any], engine: Engine) -> list[FailedCalls]:
    """What failed of each method, in the order of tables.

    Args:
        what: What was asked for: personas, predictions or directions.
        methods: The method of each call.
        failures: Why each call failed; empty if it did not.
        engine: The engine that was asked.
    """
    calls, reasons = Counter(methods), dict[str, Counter[str]]()
    for method, failure in zip(methods, failures, strict=True):
        if failure:
            reasons.setdefault(method, Counter())[failure] += 1
    return [
        FailedCalls(
            method=name,
            what=what,
            failed=reasons[name].total(),
            calls=calls[name],
            reason=reasons[name].most_common(1)[0][0][:REASON_CHARACTERS],
            asked_again=may_answer_later(engine),
        )
        for name in sorted(reasons, key=_place)
    ]


def expected_places(
    rated: Collection[tuple[str, int]], methods: Sequence[str], roles: Collection[str], rounds: int
) -> list[CellKey]:
    """The places where each method should have an error: those whose window at least one user has rated.

    Args:
        rated: Domain and number of each rated window (`rated_windows`).
        methods: The methods.
        roles: The roles. Only methods with personas have errors on windows already seen.
        rounds: The last round.
    """
    return [
        CellKey(domain, method, k - ROLE_OFFSETS[role], role)
        for domain, k in rated
        for method in methods
        for role in (roles if _has_personas(method) else ["future"])
        if (role == "previous") <= k - ROLE_OFFSETS[role] <= rounds
    ]


def reasons_of(
    personas: pa.Table, predictions: pa.Table, not_available: Iterable[NotAvailableBaseline], methods: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Why methods may have no error, by domain and method: the commonest reason of their failures.

    Args:
        personas: PERSONA rows. Failures of first personas count for all `methods` with personas.
        predictions: PREDICTION rows of eval users.
        not_available: Baselines that could not be computed.
        methods: The methods that were chosen.
    """
    counts: dict[tuple[str, str], Counter[str]] = {}
    for failure in (*_unwritten(personas), *_unread(predictions, personas)):
        is_first = failure.method == "initialise"
        for method in filter(_has_personas, methods) if is_first else [failure.method]:
            counts.setdefault((failure.domain, method), Counter())[failure.reason] += 1
    reasons = {key: found.most_common(1)[0][0][:REASON_CHARACTERS] for key, found in counts.items()}
    return reasons | {(entry.domain, entry.method): entry.reason for entry in not_available}


def missing_errors(
    expected: Iterable[CellKey],
    present: Collection[CellKey],
    reasons: Mapping[tuple[str, str], str],
    groups: Sequence[DomainGroup],
    prediction: str,
) -> list[MissingError]:
    """The errors that are not there, of domains and of means over domains.

    Args:
        expected: Where each method should have an error.
        present: Where it has one.
        reasons: Why an error may be missing, by domain and method. Without a reason it was not to be expected.
        groups: Domains and means. A mean misses the error that one of its domains misses.
        prediction: "persona" or "history".
    """
    missing = {key for key in expected if key not in present and (key.domain, key.method) in reasons}
    entries: list[MissingError] = []
    for group in groups:
        for key in sorted({(_place(key.method), key._replace(domain=group.name)) for key in missing}):
            own = [key[1]._replace(domain=domain) for domain in group.domains]
            lost = [place for place in own if place in missing]
            if lost and all(place in missing or place in present for place in own):
                reason = reasons[lost[0].domain, lost[0].method]
                entries.append(MissingError(**key[1]._asdict(), prediction=prediction, reason=reason))
    return entries


def _has_personas(method: str) -> bool:
    return method not in (*BASELINES, *CONTROL_METHODS)


def _place(method: str) -> int:
    """The place of a method in tables; first personas come first."""
    order = ("initialise", *METHODS)
    return order.index(method) if method in order else len(order)


def _unwritten(personas: pa.Table) -> list[_Failure]:
    return _failures(personas, personas["method"].to_pylist())


def _unread(predictions: pa.Table, personas: pa.Table) -> list[_Failure]:
    return _failures(predictions, _methods_of(predictions, personas))


def _failures(table: pa.Table, methods: Sequence[Any]) -> list[_Failure]:
    domains: list[Any] = table["domain"].to_pylist()
    rows = zip(domains, methods, table["failure"].to_pylist(), strict=True)
    return [_Failure(domain, method, reason) for domain, method, reason in rows if reason]


def _methods_of(predictions: pa.Table, personas: pa.Table) -> list[Any]:
    """The method of each prediction's persona."""
    at = pc.index_in(predictions["persona_id"], personas["id"])
    return personas["method"].take(at).to_pylist()
