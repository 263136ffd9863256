import pyarrow as pa
import pytest

from deeper.evaluation import error_table as error_tables
from deeper.evaluation.error_table import baseline_errors, count_unrated, error_table
from deeper.evaluation.methods import ROLES
from deeper.evaluation.schema import ERROR
from deeper.persona.schema import PREDICTION

KEYS = ("method", "round", "role")


@pytest.fixture
def windows(tables):
    return tables.windows(
        [
            ("stars", "eval", "ann", 0, [1, 1]),
            ("stars", "eval", "ann", 1, [2, 2]),
            ("stars", "eval", "ann", 2, [3, 3]),
            ("stars", "eval", "ann", 3, [4, 0]),
            ("stars", "train", "tom", 0, [5, 5]),
            ("stars", "train", "tom", 1, [5, 5]),
        ]
    )


@pytest.fixture
def personas(tables):
    return tables.personas(
        [
            {"method": "initialise", "k": 0},
            {"method": "initialise", "k": 0, "user": "tom"},
            {"method": "refine", "k": 1},
            {"method": "refine", "k": 2},
            {"method": "hierarchical_merge", "k": 1},
            {"method": "hierarchical_merge", "k": 1, "stage": "short_term"},
            {"method": "no_persona", "k": 0},
            {"method": "raw_history", "k": 0},
            {"method": "raw_history", "k": 1},
        ]
    )


ALL = ("refine", "hierarchical_merge", "frozen", "no_persona", "raw_history")


def errors_of(tables, windows, personas, predictions, rounds=2, methods=ALL, roles=ROLES):
    domains = {"stars": tables.stars}
    read = tables.predictions(predictions)
    table = error_table(read, personas, windows, domains, rounds, "scripted", methods, roles)
    assert table.schema == ERROR
    rows = table.to_pylist()
    return {tuple(row[key] for key in KEYS): row for row in rows}, rows


@pytest.mark.parametrize("rows_at_once", [3, error_tables.ROWS_AT_ONCE])
def test_where_each_prediction_stands(tables, windows, personas, rows_at_once, monkeypatch):
    """The ratings of W_k are k + 1, so the points say which error is expected where."""
    monkeypatch.setattr(error_tables, "ROWS_AT_ONCE", rows_at_once)
    predictions = [
        ("initialise", "final", 0, 0, [1, 1]),
        ("initialise", "final", 0, 1, [3, 3]),
        ("initialise", "final", 0, 2, [5, 5]),
        ("initialise", "final", 0, 3, [1, 1]),
        ("refine", "final", 1, 0, [5, 5]),
        ("refine", "final", 1, 1, [2, 2]),
        ("refine", "final", 1, 2, [4, 4]),
        ("refine", "final", 2, 1, [4, 4]),
        ("refine", "final", 2, 2, [3, 3]),
        ("refine", "final", 2, 3, [5, 5]),
        ("hierarchical_merge", "final", 1, 2, [1, 1]),
        ("hierarchical_merge", "short_term", 1, 2, [5, 5]),
        ("no_persona", "final", 0, 1, [5, 5]),
        ("no_persona", "final", 0, 2, [5, 5]),
        ("raw_history", "final", 0, 1, [1, 1]),
        ("raw_history", "final", 1, 2, [3, 3]),
    ]
    found, rows = errors_of(tables, windows, personas, predictions)
    assert len(found) == len(rows)
    assert {key: row["mae"] for key, row in found.items()} == {
        ("refine", 0, "current"): 0,
        ("refine", 0, "future"): 1,
        ("hierarchical_merge", 0, "current"): 0,
        ("hierarchical_merge", 0, "future"): 1,
        ("frozen", 0, "current"): 0,
        ("frozen", 0, "future"): 1,
        ("frozen", 1, "previous"): 0,
        ("frozen", 1, "current"): 1,
        ("frozen", 1, "future"): 2,
        ("frozen", 2, "previous"): 1,
        ("frozen", 2, "current"): 2,
        ("frozen", 2, "future"): 3,  # of the one rating that is a rating
        ("refine", 1, "previous"): 4,
        ("refine", 1, "current"): 0,
        ("refine", 1, "future"): 1,
        ("refine", 2, "previous"): 2,
        ("refine", 2, "current"): 0,
        ("refine", 2, "future"): 1,
        ("hierarchical_merge", 1, "future"): 2,
        ("no_persona", 0, "future"): 3,
        ("no_persona", 1, "future"): 2,
        ("raw_history", 0, "future"): 1,
        ("raw_history", 1, "future"): 0,
    }
    assert found["frozen", 2, "future"]["n"] == 1
    assert found["frozen", 1, "future"]["n"] == 2
    assert {(row["predictor"], row["prediction"]) for row in rows} == {("scripted", "persona")}


def test_only_the_methods_and_roles_asked_for_are_judged(tables, windows, personas):
    predictions = [("initialise", "final", 0, 0, [2, 2]), ("initialise", "final", 0, 1, [2, 2])]
    found, _ = errors_of(tables, windows, personas, predictions, methods=("refine",), roles=("future",))
    assert set(found) == {("refine", 0, "future")}
    found, _ = errors_of(tables, windows, personas, predictions, methods=("frozen",))
    assert set(found) == {
        ("frozen", 0, "future"),
        ("frozen", 0, "current"),
        ("frozen", 1, "current"),
        ("frozen", 1, "previous"),
        ("frozen", 2, "previous"),
    }


def test_without_rounds_the_first_persona_is_frozen(tables, windows, personas):
    found, _ = errors_of(tables, windows, personas, [("initialise", "final", 0, 1, [2, 2])], rounds=0)
    assert ("frozen", 0, "future") in found


def test_measures_by_hand(tables, personas):
    windows = tables.windows([("stars", "eval", "ann", 1, [5, 3, 0, 4])])
    found, _ = errors_of(tables, windows, personas, [("no_persona", "final", 0, 1, [4, 4, 1, 5])])
    row = found["no_persona", 0, "future"]
    assert (row["mae"], row["rmse"], row["crps"], row["n"]) == (1, 1, 1, 3)
    # Pairs: 5 > 3 tied, 5 > 4 wrong, 4 > 3 right.
    assert row["rank_accuracy"] == 0.5
    assert (row["readout"], row["calibrated"], row["search_n"]) == ("distribution", "domain", 0)


def test_searched_directions_stand_with_the_updaters_only(tables, windows, personas):
    predictions = [("initialise", "final", 0, 1, [2, 2]), ("initialise", "final", 0, 2, [2, 2])]
    predictions += [("refine", "final", 1, 2, [2, 2]), ("no_persona", "final", 0, 1, [2, 2])]
    read, domains = tables.predictions(predictions), {"stars": tables.stars}
    table = error_table(read, personas, windows, domains, 2, "scripted", ALL, ROLES, search_n=7, prediction="history")
    found = {(row["method"], row["round"], row["role"]): row["search_n"] for row in table.to_pylist()}
    assert found["refine", 1, "future"] == 7
    assert set(found.values()) == {0, 7} and [key for key, n in found.items() if n] == [("refine", 1, "future")]
    assert set(table["prediction"].to_pylist()) == {"history"}


def test_history_only_is_of_no_predictor(tables, windows):
    personas = tables.personas([{"method": "history_only", "k": 1}])
    predictions = tables.predictions([("history_only", "final", 1, 2, [3, 3])]).to_pylist()
    read = pa.Table.from_pylist([{**row, "readout": "none"} for row in predictions], schema=PREDICTION)
    [row] = error_table(
        read, personas, windows, {"stars": tables.stars}, 2, "scripted", ["history_only"], ["future"], 3, "history"
    ).to_pylist()
    assert (row["method"], row["round"], row["role"], row["mae"]) == ("history_only", 1, "future", 0)
    assert (row["readout"], row["predictor"], row["search_n"], row["prediction"]) == ("none", "", 0, "history")


def test_rank_accuracy_is_null_where_all_ratings_are_equal(tables, windows, personas):
    found, _ = errors_of(tables, windows, personas, [("no_persona", "final", 0, 1, [5, 4])])
    assert found["no_persona", 0, "future"]["rank_accuracy"] is None


def test_failed_predictions_and_unrated_windows_give_no_row(tables, personas):
    windows = tables.windows(
        [("stars", "eval", "ann", 1, [5, 3]), ("stars", "eval", "ann", 2, [0, 0]), ("stars", "train", "tom", 1, [0])]
    )
    predictions = [("no_persona", "final", 0, 1, None), ("no_persona", "final", 0, 2, [4, 4])]
    _, rows = errors_of(tables, windows, personas, predictions)
    assert rows == []
    assert count_unrated(windows, {"stars": tables.stars}, rounds=2) == {"stars": 1}
    assert count_unrated(windows, {"stars": tables.stars}, rounds=0) == {"stars": 0}


def test_a_prediction_of_another_length_is_refused(tables, windows, personas):
    with pytest.raises(ValueError, match="3 points for the 2 items"):
        errors_of(tables, windows, personas, [("no_persona", "final", 0, 1, [4, 4, 4])])


def test_baselines_are_future_only_and_skip_what_is_no_rating(tables, windows):
    table, not_available = baseline_errors(windows, {"stars": tables.stars}, 2, ["user_median", "always_top"], 0)
    assert not_available == []
    rows = table.to_pylist()
    assert table.schema == ERROR
    assert [(r["method"], r["round"], r["role"], r["mae"], r["n"]) for r in rows] == [
        ("always_top", 0, "future", 3, 2),
        ("always_top", 1, "future", 2, 2),
        ("always_top", 2, "future", 1, 1),
        ("user_median", 0, "future", 1, 2),
        ("user_median", 1, "future", 1.5, 2),
        ("user_median", 2, "future", 2, 1),
    ]
    assert {(r["readout"], r["calibrated"], r["predictor"], r["prediction"]) for r in rows} == {
        ("none", "off", "", "none")
    }
    assert all(r["crps"] == r["mae"] for r in rows)
