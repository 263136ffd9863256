"""Summarise a run: errors, differences, reductions, failures, leaks and texts, as `results.json` holds them."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from deeper.domains import Domain
from deeper.evaluation.comparison import (
    COMPARED,
    Cell,
    CellKey,
    Cells,
    DomainGroup,
    cells_of,
    mean_over_domains,
    paired,
    reduction,
)
from deeper.evaluation.error_table import count_unrated, rated_windows
from deeper.evaluation.failures import (
    expected_places,
    failed_personas,
    failed_predictions,
    missing_errors,
    reasons_of,
)
from deeper.evaluation.methods import BASELINES, FROZEN, HISTORY_ONLY, ROLES, in_order
from deeper.evaluation.results_schema import ErrorEntry, NotAvailableBaseline, Summary
from deeper.evaluation.substance.substance_entries import substance_entries
from deeper.evaluation.substance.user_measures import user_measures
from deeper.evaluation.text_summary import leak_rates, text_statistics
from deeper.persona.predict import ItemKnowledge, nothing_known


def summarise(
    errors: pa.Table,
    personas: pa.Table,
    predictions: pa.Table,
    windows: pa.Table,
    domains: Mapping[str, Domain],
    rounds: int,
    not_available: Sequence[NotAvailableBaseline] = (),
    methods: Sequence[str] = (),
    roles: Sequence[str] = ROLES,
    item_knowledge: ItemKnowledge = nothing_known,
) -> Summary:
    """Summarise the errors of a run.

    An error is the mean over users of the user's mean over ratings. With several domains there are also `mean`,
    `mean_seen` and `mean_unseen`, each given only where all of its domains have a value. Intervals are 95 %
    t intervals over users. Differences are against the user median and `frozen`; those of predictions with history are
    against the user median and `history_only`. Reductions are of predictions from the persona alone.

    Args:
        errors: ERROR rows of personas, controls and baselines.
        personas: PERSONA rows.
        predictions: PREDICTION rows of eval users.
        windows: WINDOW rows.
        domains: By id.
        rounds: The last round.
        not_available: Baselines that could not be computed.
        methods: The methods that were chosen. One without an error is `missing`, with the reason.
        roles: The roles that were chosen.
        item_knowledge: What the predictor's prompts say beside titles.
    """
    has_history = pc.field("prediction") == "history"
    alone, combined = cells_of(errors.filter(~has_history)), cells_of(errors.filter(has_history))
    rated = rated_windows(windows, domains, rounds)
    expected = {"persona": expected_places(rated, methods, roles, rounds)}
    if combined:
        by_model = [name for name in methods if name not in BASELINES]
        expected["history"] = expected_places(rated, by_model, ["future"], rounds)
    reasons = reasons_of(personas, predictions, not_available, methods)
    failed = {domain for domain, _ in reasons} & {domain for domain, _ in rated}
    present = {*errors["domain"].unique().to_pylist(), *failed}
    used = {name: domain for name, domain in domains.items() if name in present}
    groups = domain_groups(list(used.values()))
    cells = {"persona": alone, "history": combined}
    measures = user_measures(personas, predictions, windows, domains, rounds, methods, item_knowledge)
    return Summary(
        users={name: pc.count_distinct(errors.filter(pc.field("domain") == name)["user"]).as_py() for name in used},
        errors=[*_errors(alone, groups, rounds), *_errors(combined, groups, rounds)],
        paired=[
            *paired(alone, {"user_median": alone, FROZEN: alone}, groups, rounds),
            *paired(combined, {"user_median": alone, HISTORY_ONLY: combined}, groups, rounds),
        ],
        reduction=reduction(alone, groups, rounds),
        failures=failed_predictions(predictions, personas),
        persona_failures=failed_personas(personas),
        leaks=leak_rates(personas),
        text=text_statistics(personas),
        unrated=count_unrated(windows, used, rounds),
        not_available=list(not_available),
        missing=[
            entry
            for name, places in expected.items()
            for entry in missing_errors(places, cells[name], reasons, groups, name)
        ],
        substance=substance_entries(measures, groups, rounds),
    )


def domain_groups(domains: Sequence[Domain]) -> list[DomainGroup]:
    """Each domain, and with several also `mean`, `mean_seen` and `mean_unseen`."""
    groups = [DomainGroup(domain.id, (domain.id,)) for domain in domains]
    if len(domains) > 1:
        groups.append(DomainGroup("mean", tuple(domain.id for domain in domains)))
        for name, seen in (("mean_seen", True), ("mean_unseen", False)):
            if chosen := tuple(domain.id for domain in domains if domain.seen is seen):
                groups.append(DomainGroup(name, chosen))
    return groups


def _errors(table: Cells, groups: Sequence[DomainGroup], rounds: int) -> list[ErrorEntry]:
    entries: list[ErrorEntry] = []
    methods = in_order({key.method for key in table})
    for group in groups:
        for method in methods:
            for t in range(rounds + 1):
                for role in ROLES:
                    keys = [CellKey(domain, method, t, role) for domain in group.domains]
                    if all(key in table for key in keys):
                        place = CellKey(group.name, method, t, role)
                        entries.append(_entry(place, [table[key] for key in keys]))
    return entries


def _entry(place: CellKey, cells: Sequence[Cell]) -> ErrorEntry:
    """The entry of a group of domains, from the cell of each domain."""
    mae, crps, rank = (mean_over_domains(cells, name) for name in COMPARED)
    return ErrorEntry(
        domain=place.domain,
        method=place.method,
        round=place.round,
        role=place.role,
        mae=mae.mean,
        ci=(mae.low, mae.high),
        rmse=mean_over_domains(cells, "rmse").mean,
        crps=crps.mean,
        crps_ci=(crps.low, crps.high),
        rank_accuracy=rank.mean,
        rank_accuracy_ci=(rank.low, rank.high),
        users=sum(len(cell.users) for cell in cells),
        ratings=sum(cell.ratings for cell in cells),
        readout=_joined(cells, "readout"),
        calibrated=_joined(cells, "calibrated"),
        predictor=_joined(cells, "predictor"),
        prediction=_joined(cells, "prediction"),
        search_n=max(cell.search_n for cell in cells),
    )


def _joined(cells: Sequence[Cell], name: str) -> str:
    """All values of a column, joined: "domain+pooled"."""
    return "+".join(sorted(frozenset[str]().union(*(cell.origin[name] for cell in cells))))
