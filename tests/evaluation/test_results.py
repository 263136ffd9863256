import json
import time

import numpy as np
import pyarrow as pa
import pytest

from deeper.evaluation.methods import METHODS
from deeper.evaluation.results import summarise
from deeper.evaluation.results_schema import NotAvailableBaseline
from deeper.evaluation.schema import ERROR
from deeper.measure.holm import holm
from deeper.persona.schema import PERSONA, PREDICTION


def error(user, method, t, mae, *, domain="stars", role="future", n=10, rank=0.5, calibrated="off", **more):
    keys = {"user": user, "domain": domain, "method": method, "round": t, "role": role, "n": n}
    measures = {"mae": mae, "rmse": 2 * mae, "crps": mae / 2, "rank_accuracy": rank}
    origin = {"readout": "r", "calibrated": calibrated, "predictor": "p", "search_n": 0, "prediction": "persona"}
    return {**keys, **measures, **origin, **more}


@pytest.fixture
def summary(tables):
    def run(rows, rounds=1, personas=None, predictions=None, windows=None, not_available=()):
        result = summarise(
            pa.Table.from_pylist(rows, schema=ERROR),
            personas if personas is not None else PERSONA.empty_table(),
            predictions if predictions is not None else PREDICTION.empty_table(),
            windows if windows is not None else tables.windows([]),
            {"stars": tables.stars, "halves": tables.halves},
            rounds,
            not_available=not_available,
        ).as_json()
        json.dumps(result, allow_nan=False)
        return result

    return run


def entry(entries, **keys):
    [found] = [e for e in entries if all(e[key] == value for key, value in keys.items())]
    return found


def test_errors_are_means_over_users_not_over_ratings(summary):
    result = summary([error("ann", "refine", 0, 1.0, n=1), error("bob", "refine", 0, 0.0, n=9, rank=None)])
    [found] = result["errors"]
    assert found["mae"] == 0.5 and found["rmse"] == 1.0 and found["crps"] == 0.25
    assert found["rank_accuracy"] == 0.5
    assert (found["users"], found["ratings"]) == (2, 10)
    # With one degree of freedom t is 12.7: the interval is (−5.9, 6.9), and an error is not below 0.
    assert found["ci"] == [0.0, pytest.approx(0.5 + 12.706 * 0.5, abs=1e-3)]
    assert found["crps_ci"] == [0.0, pytest.approx(0.25 + 12.706 * 0.25, abs=1e-3)]
    assert found["rank_accuracy_ci"] == [None, None], "a single user has a rank accuracy"
    assert result["users"] == {"stars": 2}


def test_one_user_has_no_interval_and_json_no_nan(summary):
    found = summary([error("ann", "refine", 0, 1.0, rank=None)])["errors"][0]
    assert found["ci"] == [None, None]
    assert found["rank_accuracy"] is None


def test_means_over_domains(summary):
    rows = [error(f"s{i}", "refine", 0, 1.0, calibrated="domain") for i in range(8)]
    rows += [error(f"h{i}", "refine", 0, 0.0, domain="halves", calibrated="pooled") for i in range(2)]
    rows += [error("s0", "frozen", 0, 1.0)]
    errors = summary(rows)["errors"]
    mean = entry(errors, domain="mean", method="refine")
    assert (mean["mae"], mean["ci"], mean["users"]) == (0.5, [0.5, 0.5], 10)
    assert mean["calibrated"] == "domain+pooled"
    assert entry(errors, domain="mean_seen", method="refine")["mae"] == 1
    assert entry(errors, domain="mean_unseen", method="refine")["mae"] == 0
    # A mean over fewer domains would not compare: frozen has no error in the other domain.
    assert {e["domain"] for e in errors if e["method"] == "frozen"} == {"stars", "mean_seen"}


def test_one_domain_has_no_mean(summary):
    assert {e["domain"] for e in summary([error("ann", "refine", 0, 1.0)])["errors"]} == {"stars"}


def test_paired_differences_are_of_the_users_that_both_have(summary):
    rows = [error(u, "user_median", 1, m) for u, m in (("a", 0.5), ("b", 0.5), ("c", 0.5), ("d", 0.5))]
    rows += [error(u, "refine", 1, m) for u, m in (("a", 0.4), ("b", 0.5), ("c", 0.9), ("x", 0.0))]
    rows += [error("a", "refine", 1, 0.0, role="current"), error("z", "frozen", 1, 0.1)]
    result = summary(rows)["paired"]
    found = entry(result, method="refine", against="user_median", round=1)
    assert found["difference"] == pytest.approx(0.1)
    assert found["improved"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["users"] == 3
    half = 4.303 * np.std([-0.1, 0.0, 0.4], ddof=1) / np.sqrt(3)  # two degrees of freedom
    assert found["ci"] == pytest.approx([0.1 - half, 0.1 + half], abs=1e-3)
    assert found["crps"]["difference"] == pytest.approx(0.05) and found["rank_accuracy"]["difference"] == 0
    mirrored = entry(result, method="user_median", against="frozen") if len(result) > 1 else None
    assert mirrored is None  # no user has both


def test_p_values_are_corrected_for_the_differences_of_a_table(summary):
    """Three methods against two others make five differences, since two of them mirror each other."""
    rng = np.random.default_rng(2)
    rows = [
        error(f"u{u}", method, t, rng.uniform(0.4, 0.8) - shift * rng.uniform(0.5, 1))
        for method, shift in (("user_median", 0.0), ("frozen", 0.2), ("refine", 0.3), ("no_persona", 0.0))
        for t in (0, 1)
        for u in range(10)
    ]
    table = [one for one in summary(rows)["paired"] if one["round"] == 1]
    tests = {frozenset((one["method"], one["against"])): one["p_value"] for one in table}
    assert (len(table), len(tests)) == (6, 5)
    expected = dict(zip(tests, holm(list(tests.values())), strict=True))
    for one in table:
        assert one["p_adjusted"] == pytest.approx(expected[frozenset((one["method"], one["against"]))], abs=1e-5)
        assert one["p_adjusted"] >= one["p_value"]
        assert one["crps"]["p_adjusted"] >= one["crps"]["p_value"]
    least = min(table, key=lambda one: one["p_value"])
    assert least["p_adjusted"] == pytest.approx(5 * least["p_value"], abs=1e-5)


def test_a_single_user_has_no_p_value(summary):
    found = summary([error("ann", method, 0, 0.5) for method in ("refine", "user_median")])["paired"]
    assert [(one["p_value"], one["p_adjusted"]) for one in found] == [(None, None)]


def test_a_user_whose_ratings_are_all_equal_enters_no_difference_in_rank(summary):
    rows = [error(u, "user_median", 0, 0.5, rank=r) for u, r in (("a", 0.4), ("b", None), ("c", 0.5))]
    rows += [error(u, "refine", 0, 0.4, rank=r) for u, r in (("a", 0.6), ("b", None), ("c", 0.6))]
    [found] = summary(rows)["paired"]
    assert (found["users"], found["rank_accuracy"]["users"]) == (3, 2)
    assert found["rank_accuracy"]["difference"] == pytest.approx(0.15)


def test_a_method_is_not_compared_with_itself(summary):
    rows = [error(u, m, 0, 0.5) for u in "ab" for m in ("user_median", "frozen")]
    assert {(e["method"], e["against"]) for e in summary(rows)["paired"]} == {
        ("frozen", "user_median"),
        ("user_median", "frozen"),
    }


def test_predictions_with_history_stand_beside_those_from_the_persona_alone(summary):
    rows = [error(u, "user_median", 1, 0.5, prediction="none") for u in "abc"]
    rows += [error(u, "refine", 1, 0.9) for u in "abc"]
    rows += [error(u, "refine", 1, 0.3, prediction="history", search_n=4) for u in "ab"]
    rows += [error(u, "history_only", 1, 0.4, prediction="history") for u in "abc"]
    result = summary(rows)
    found = {(e["method"], e["prediction"]): (e["mae"], e["users"], e["search_n"]) for e in result["errors"]}
    assert found == {
        ("user_median", "none"): (0.5, 3, 0),
        ("refine", "persona"): (0.9, 3, 0),
        ("refine", "history"): (0.3, 2, 4),
        ("history_only", "history"): (0.4, 3, 0),
    }
    differences = {
        (e["method"], e["against"], e["prediction"]): (e["difference"], e["users"]) for e in result["paired"]
    }
    assert differences == {
        ("refine", "user_median", "persona"): (0.4, 3),
        ("refine", "user_median", "history"): (-0.2, 2),
        ("refine", "history_only", "history"): (-0.1, 2),
        ("history_only", "user_median", "history"): (-0.1, 3),
    }
    assert result["reduction"]["across_windows"] == {}


def test_reductions_of_both_kinds(summary):
    rows = [error(u, "refine", 0, 1.0) for u in "ab"] + [error(u, "refine", 1, 0.6) for u in "ab"]
    rows += [error(u, "frozen", 1, 0.8) for u in "ab"] + [error(u, "user_median", 0, 0.0) for u in "ab"]
    rows += [error(u, "user_median", 1, 0.5) for u in "ab"]
    reduction = summary(rows)["reduction"]
    assert reduction["across_windows"] == {"refine": {"stars": 40.0}, "user_median": {"stars": None}}
    assert reduction["same_window"] == {"refine": {"stars": 25.0}}


def test_failures_leaks_and_what_is_missing_are_counted(tables, summary):
    personas = tables.personas(
        [
            {"method": "initialise", "k": 0, "leaks": ["Moss & {Stone}"]},
            {"method": "refine", "k": 1, "failure": "timeout"},
            {"method": "refine", "k": 2},
            {"method": "hierarchical_merge", "k": 1, "stage": "short_term", "leaks": ["4.5"]},
            {"method": "raw_history", "k": 0, "leaks": ["Moss & {Stone}"]},
        ]
    )
    predictions = tables.predictions(
        [
            ("initialise", "final", 0, 1, None),
            ("initialise", "final", 0, 2, None),
            ("refine", "final", 1, 1, [3]),
            ("raw_history", "final", 0, 1, None),
        ]
    )
    result = summary(
        [error("ann", "refine", 1, 0.5)],
        personas=personas,
        predictions=predictions,
        windows=tables.windows([("stars", "eval", "ann", 1, [0, 0]), ("stars", "eval", "ann", 2, [0, 5])]),
        not_available=[NotAvailableBaseline(method="matrix_factorisation", domain="stars", reason="not installed")],
    )
    assert result["failures"] == {"initialise": 2, "refine": 0, "hierarchical_merge": 0, "raw_history": 1}
    assert result["persona_failures"] == {"initialise": 0, "refine": 1, "hierarchical_merge": 0}
    assert result["leaks"] == {"initialise": 1.0, "refine": 0.0}
    assert result["unrated"] == {"stars": 1}
    assert result["not_available"] == [{"method": "matrix_factorisation", "domain": "stars", "reason": "not installed"}]


def test_texts_are_described(tables, summary):
    personas = tables.personas(
        [
            {"method": "initialise", "k": 0, "text": "quiet drama", "tokens": 2},
            {"method": "refine", "k": 1, "text": "quiet comedy", "tokens": 3},
            {"method": "refine", "k": 2, "text": "quiet comedy noir", "tokens": 4},
            {"method": "initialise", "k": 0, "user": "bob", "text": "horror"},
            {"method": "refine", "k": 1, "user": "bob", "text": "horror"},
            {"method": "refine", "k": 2, "user": "bob", "text": "horror noir"},
            {"method": "no_persona", "k": 0, "text": ""},
        ]
    )
    text = summary([error("ann", "refine", 1, 0.5)], personas=personas)["text"]
    assert set(text) == {"initialise", "refine"}
    assert text["initialise"]["retention"] is None
    assert text["initialise"]["tokens"] == 3.5
    # ann keeps quiet (1/2), then both; bob keeps all.
    assert text["refine"]["retention"] == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert text["refine"]["words"] == pytest.approx((2 + 3 + 1 + 2) / 4)
    assert text["refine"]["distinctness"] == pytest.approx(1 - 1 / 4)
    assert text["refine"]["redundancy"] == 0


def test_the_described_control_counts_in_texts_and_leaks_but_has_no_tokens(tables, summary):
    personas = tables.personas(
        [
            {"method": "initialise", "k": 0, "text": "quiet drama"},
            {"method": "described", "k": 0, "text": "loud noir", "tokens": 0, "leaks": ["Moss & {Stone}"]},
            {"method": "described", "k": 1, "text": "loud opera", "tokens": 0},
        ]
    )
    result = summary([error("ann", "described", 1, 0.5)], personas=personas)
    assert result["leaks"] == {"initialise": 0.0, "described": 0.5}
    found = result["text"]["described"]
    assert found["tokens"] is None and found["words"] == 2
    assert found["retention"] == pytest.approx(0.5), "against the control's own first text, not the policy's"
    assert result["persona_failures"] == {"initialise": 0}


def test_personas_that_failed_are_not_described(tables, summary):
    """They carry their parent's text and no tokens; the next one's retention is from that text."""
    good = [
        {"method": "initialise", "k": 0, "text": "quiet drama", "tokens": 2},
        {"method": "refine", "k": 1, "text": "quiet comedy", "tokens": 4},
    ]
    failed = [
        {"method": "refine", "k": 2, "text": "quiet comedy", "tokens": 0, "failure": "timeout"},
        {"method": "summarise", "k": 1, "text": "quiet drama", "tokens": 0, "failure": "timeout"},
    ]
    after = [{"method": "refine", "k": 3, "text": "quiet", "tokens": 2}]
    errors = [error("ann", "refine", 1, 0.5)]
    text = summary(errors, personas=tables.personas([*good, *failed, *after]))["text"]
    assert set(text) == {"initialise", "refine"}
    assert text["refine"]["tokens"] == 3
    assert text["refine"]["words"] == 1.5
    assert text["refine"]["retention"] == pytest.approx((0.5 + 0.5) / 2)


def test_two_errors_in_one_place_are_refused(summary):
    with pytest.raises(ValueError, match="two errors"):
        summary([error("ann", "refine", 0, 1.0), error("ann", "refine", 0, 0.5)])


def test_a_hundred_users_take_seconds(summary):
    rng = np.random.default_rng(0)
    rows = [
        error(f"u{u}", method, t, rng.uniform(), domain=domain)
        for domain in ("stars", "halves")
        for method in METHODS
        for t in range(5)
        for u in range(100)
    ]
    began = time.perf_counter()
    first = summary(rows, rounds=4)
    assert time.perf_counter() - began < 10
    assert first == summary(rows, rounds=4)
    assert len(first["errors"]) == 5 * len(METHODS) * 5
