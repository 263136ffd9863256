"""What is missing because calls failed, and why."""

from typing import Any

import pyarrow as pa
import pytest

from deeper.evaluation.error_table import error_table
from deeper.evaluation.results import summarise
from deeper.evaluation.results_schema import NotAvailableBaseline
from deeper.evaluation.schema import ERROR

RATINGS = (4.0, 5.0)
METHODS = ("user_median", "no_persona", "frozen", "refine")


def error(user: str, method: str, t: int, domain: str = "stars") -> dict[str, Any]:
    keys = {"user": user, "domain": domain, "method": method, "round": t, "role": "future", "n": 2}
    measures = {"mae": 1.0, "rmse": 1.0, "crps": 1.0, "rank_accuracy": 0.5}
    origin = {"readout": "r", "calibrated": "off", "predictor": "p", "search_n": 0, "prediction": "persona"}
    return {**keys, **measures, **origin}


@pytest.fixture
def missing(tables: Any) -> Any:
    """The missing errors of ann in `stars`, who has three windows, and of bob in `halves`, who has as many."""

    def run(rows: list[dict[str, Any]], failed: list[dict[str, Any]], methods: Any = METHODS, **more: Any) -> Any:
        windows = tables.windows(
            [
                (domain, "eval", user, k, RATINGS)
                for user, domain in (("ann", "stars"), ("bob", "halves"))
                for k in range(3)
            ]
        )
        summary = summarise(
            pa.Table.from_pylist(rows, schema=ERROR),
            tables.personas([{"method": "refine", "k": 1, "failure": "HTTP 500", **one} for one in failed]),
            tables.predictions([]),
            windows,
            {"stars": tables.stars, "halves": tables.halves},
            1,
            methods=methods,
            roles=("future",),
            **more,
        )
        return [(e.domain, e.method, e.round, e.reason) for e in summary.missing], summary

    return run


ALL = [error(user, method, t, domain) for user, domain in (("ann", "stars"), ("bob", "halves")) for method in METHODS
       for t in (0, 1)]  # fmt: skip


def test_nothing_is_missing_where_every_method_has_its_errors(missing: Any) -> None:
    found, summary = missing(ALL, [{}])
    assert found == [] and summary.is_complete


def test_a_method_that_lost_a_round_is_missing_there_and_in_the_mean(missing: Any) -> None:
    rows = [row for row in ALL if (row["method"], row["round"], row["domain"]) != ("refine", 1, "stars")]
    found, summary = missing(rows, [{}, {"k": 2, "failure": "HTTP 429"}, {"k": 3}])
    assert found == [("stars", "refine", 1, "HTTP 500"), ("mean", "refine", 1, "HTTP 500"),
                     ("mean_seen", "refine", 1, "HTTP 500")]  # fmt: skip
    assert not summary.is_complete


def test_failed_first_personas_explain_all_methods_with_personas(missing: Any) -> None:
    rows = [row for row in ALL if row["domain"] == "halves" or row["method"] in ("user_median", "no_persona")]
    found, _ = missing(rows, [{"method": "initialise", "k": 0, "text": ""}])
    assert {(domain, method) for domain, method, _, _ in found if domain == "stars"} == {
        ("stars", "frozen"),
        ("stars", "refine"),
    }


def test_an_error_that_no_failure_explains_is_not_missing(missing: Any) -> None:
    rows = [row for row in ALL if row["method"] != "refine"]
    found, summary = missing(rows, [])
    assert found == [] and summary.is_complete


def test_a_baseline_that_is_not_available_is_named_but_nothing_failed(missing: Any) -> None:
    reason = NotAvailableBaseline(method="matrix_factorisation", domain="stars", reason="nothing to fit on")
    found, summary = missing(ALL, [], (*METHODS, "matrix_factorisation"), not_available=[reason])
    assert found[:2] == [("stars", "matrix_factorisation", t, "nothing to fit on") for t in (0, 1)]
    assert summary.is_complete


def test_personas_that_were_never_written_have_no_error(tables: Any) -> None:
    def errors(failures: dict[tuple[str, int], str], text: str = "old text") -> set[tuple[str, int]]:
        rows = [
            {"method": method, "k": k, "failure": failures.get((method, k), ""),
             "text": "" if method == "initialise" and failures.get((method, k)) else text}
            for method, k in (("initialise", 0), ("refine", 1), ("refine", 2))
        ]  # fmt: skip
        found = error_table(
            tables.predictions([(row["method"], "final", row["k"], row["k"] + 1, RATINGS) for row in rows]),
            tables.personas(rows),
            tables.windows([("stars", "eval", "ann", k, RATINGS) for k in range(4)]),
            {"stars": tables.stars},
            2,
            "p",
            ("refine", "frozen"),
            ("future",),
        )
        return {(row["method"], row["round"]) for row in found.to_pylist()}

    whole = {("frozen", 0), ("refine", 0), ("refine", 1), ("refine", 2)}
    assert errors({}) == whole
    assert errors({("refine", 2): "HTTP 500"}) == whole, "the older text stays"
    assert errors({("refine", 1): "HTTP 500"}) == whole - {("refine", 1)}
    assert errors({("refine", 1): "HTTP 500", ("refine", 2): "HTTP 500"}) == {("frozen", 0), ("refine", 0)}
    assert errors({("initialise", 0): "HTTP 500"}) == {("refine", 1), ("refine", 2)}
