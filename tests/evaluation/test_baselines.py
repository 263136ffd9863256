import importlib
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from deeper.evaluation.baselines import PREDICTORS, predict_next
from deeper.evaluation.error_table import baseline_errors
from deeper.evaluation.factorisation import NotAvailable
from deeper.evaluation.methods import BASELINES
from deeper.measure.metrics import weighted_median

myfm = pytest.mark.skipif(find_spec("myfm") is None, reason="needs the extra `baselines`")
COUNTING = {"user_histogram", "item_standing", "matrix_factorisation"}
"""The baselines that predict a distribution."""
ALL = [*PREDICTORS, pytest.param("matrix_factorisation", marks=myfm)]


def rewrite(windows, change):
    """The same windows with each row's ratings replaced by change(row, ratings)."""
    rows = windows.to_pylist()
    for row in rows:
        ratings = change(row, [item["rating"] for item in row["items"]])
        for item, rating in zip(row["items"], ratings, strict=True):
            item["rating"] = rating
    return pa.Table.from_pylist(rows, schema=windows.schema)


def test_every_baseline_has_a_function():
    assert {*PREDICTORS, "matrix_factorisation"} == set(BASELINES)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("t", [0, 2])
def test_a_signal_planted_in_the_future_is_invisible(tables, many_windows, method, t):
    # One train user only: else a window more would not move the domain's median, seen or not.
    few = many_windows.filter((pc.field("split") == "eval") | (pc.field("user") == "train-00"))

    def plant(row, ratings):
        return [1.0] * 6 if row["split"] == "eval" and row["k"] > t else ratings

    planted = rewrite(few, plant)
    assert planted != few
    for domain in (tables.stars, tables.halves):
        before = predict_next(method, few, domain, t)
        after = predict_next(method, planted, domain, t)
        assert before.keys() == after.keys() and len(before) == 12
        for user, predicted in before.items():
            np.testing.assert_equal(predicted, after[user])


@pytest.mark.parametrize("method", [m for m in ALL if m != "always_top"])
@pytest.mark.parametrize("t", [0, 2])
def test_a_signal_planted_in_the_past_is_seen(tables, many_windows, method, t):
    lower = rewrite(many_windows, lambda row, ratings: [1.0] * 6 if row["k"] <= t else ratings)
    before, after = (
        np.mean([predicted.points for predicted in predict_next(method, windows, tables.stars, t).values()])
        for windows in (many_windows, lower)
    )
    assert after < before


@pytest.mark.parametrize("method", ALL)
def test_the_other_domain_is_not_seen(tables, many_windows, method):
    alone = many_windows.filter(pc.field("domain") == "halves")
    before = predict_next(method, many_windows, tables.halves, 1)
    after = predict_next(method, alone, tables.halves, 1)
    for user, predicted in before.items():
        np.testing.assert_equal(predicted, after[user])


@pytest.mark.parametrize("method", ALL)
def test_two_runs_are_equal_and_points_are_on_the_scale(tables, many_windows, method):
    first = predict_next(method, many_windows, tables.halves, 3, seed=7)
    second = predict_next(method, many_windows, tables.halves, 3, seed=7)
    for user, (points, distribution) in first.items():
        np.testing.assert_equal(first[user], second[user])
        assert points.shape == (6,)
        assert (points >= 0.5).all() and (points <= 5).all()
        assert (distribution is not None) is (method in COUNTING)
        if distribution is not None:
            assert distribution.shape == (6, 10) and (distribution >= 0).all()
            np.testing.assert_allclose(distribution.sum(axis=1), 1)
            np.testing.assert_array_equal(points, weighted_median(distribution, tables.halves.scale.values))


@pytest.mark.parametrize("method", ALL)
def test_ratings_that_mean_no_rating_are_not_used(tables, many_windows, method):
    """Zeros in place of half of the ratings predict what those ratings' absence predicts."""

    def with_zeros(row, ratings):
        return [0.0 if i % 2 else rating for i, rating in enumerate(ratings)]

    zeros = rewrite(many_windows, with_zeros)
    rows = zeros.to_pylist()
    for row in rows:
        if row["k"] != 3 or row["split"] == "train":
            row["items"] = [item for item in row["items"] if item["rating"]]
    absent = pa.Table.from_pylist(rows, schema=zeros.schema)
    before = predict_next(method, zeros, tables.stars, 2)
    after = predict_next(method, absent, tables.stars, 2)
    for user, predicted in before.items():
        np.testing.assert_equal(predicted, after[user])


@pytest.fixture
def small(tables):
    return tables.windows(
        [
            ("stars", "eval", "ann", 0, [5, 4, 4]),
            ("stars", "eval", "ann", 1, [1, 0, 2]),
            ("stars", "eval", "ann", 2, [3, 3]),
            ("stars", "eval", "bob", 0, [0, 0, 0]),
            ("stars", "eval", "bob", 1, [2, 3, 4]),
            ("stars", "train", "tom", 0, [5, 5, 5]),
        ]
    )


@pytest.mark.parametrize(
    "method, t, expected",
    [
        ("always_top", 0, {"ann": 5, "bob": 5}),
        ("domain_median", 0, {"ann": 5, "bob": 5}),  # of 5 4 4 5 5 5
        ("user_median", 0, {"ann": 4, "bob": 5}),  # bob has no rating yet: the domain's median
        ("user_median", 1, {"ann": 4}),  # of 5 4 4 1 2
        ("user_mean", 1, {"ann": 3.2}),
        ("last_window_median", 1, {"ann": 1.5}),
        ("user_histogram", 1, {"ann": 4}),
    ],
)
def test_points_by_hand(tables, small, method, t, expected):
    predicted = predict_next(method, small, tables.stars, t)
    assert {user: points.tolist() for user, (points, _) in predicted.items()} == {
        user: pytest.approx([value] * (3 if t == 0 else 2)) for user, value in expected.items()
    }


def test_item_standing_by_hand(tables, small):
    # Seen at round 0: items 0, 1, 2 of W_0: ann's 5 4 4 and tom's 5 5 5; domain shares 1/3 of 4 and 2/3 of 5.
    # With the weight of 5 ratings: ann 11/24 of 4 and 13/24 of 5, tom 5/24 and 19/24.
    # Percentiles: ann's 5 is at 11/24 + 13/48 = 35/48, her 4 at 11/48; each of tom's 5s at 5/24 + 19/48 = 29/48.
    predicted = predict_next("item_standing", small, tables.stars, 0)["ann"]
    for item, percentiles in zip((1, 2, 3), ((11, 29), (11, 29), ()), strict=True):
        shift = 6 * sum(percentile / 48 - 0.5 for percentile in percentiles) / (len(percentiles) + 5)
        odds = 11 / 13 * np.exp(-shift)
        share = odds / (1 + odds)
        np.testing.assert_allclose(predicted.distribution[item - 1], [0, 0, 0, share, 1 - share])


def test_an_item_stands_by_what_its_raters_usually_give(tables):
    """Item 0 gets 3 from those who give 1 else, item 1 gets 4 from those who give 5 else: item 0 is liked better."""
    rows = [("stars", "train", f"low{u}", 0, [3, 1, 1, 1]) for u in range(8)]
    rows += [("stars", "train", f"top{u}", 0, [5, 4, 5, 5]) for u in range(8)]
    rows += [("stars", "eval", "ann", 0, [3, 3, 3, 3]), ("stars", "eval", "ann", 1, [3, 3, 3, 3])]
    windows = tables.windows(rows)
    # W_1 holds items 1, 2, 3, 0.
    disliked, *_, liked = expected(predict_next("item_standing", windows, tables.stars, 0), tables.stars)["ann"]
    usual, *_ = expected(predict_next("user_histogram", windows, tables.stars, 0), tables.stars)["ann"]
    assert disliked < usual - 0.1 and liked > usual + 0.2


def test_a_counting_baseline_is_judged_by_its_distribution_and_a_rule_by_its_point(tables, many_windows):
    methods = ["user_median", "user_histogram", "item_standing"]
    errors, _ = baseline_errors(many_windows, {"stars": tables.stars}, 3, methods, seed=0)
    frame = {(e["method"], e["user"], e["round"]): e for e in errors.to_pylist()}
    for (method, *_), row in frame.items():
        assert (row["crps"] == row["mae"]) is (method == "user_median")


def test_what_cannot_be_fitted_is_not_available(tables):
    windows = tables.windows([("stars", "eval", "bob", 0, [0, 0]), ("stars", "eval", "bob", 1, [2, 3])])
    with pytest.raises(NotAvailable, match="no rating"):
        predict_next("matrix_factorisation", windows, tables.stars, 0)
    assert predict_next("user_median", windows, tables.stars, 0)["bob"].points.tolist() == [3, 3]


def test_a_missing_library_is_listed_with_its_reason(tables, small, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    errors, not_available = baseline_errors(
        small, {"stars": tables.stars}, 1, ["user_median", "matrix_factorisation"], seed=0
    )
    assert set(errors["method"].to_pylist()) == {"user_median"}
    [entry] = not_available
    assert (entry.method, entry.domain) == ("matrix_factorisation", "stars")
    assert "No module named 'myfm'" in entry.reason and "pip install" in entry.reason


@myfm
def test_factorisation_learns_who_rates_high_and_which_item_is_liked(tables):
    rows = [("stars", "train", f"t{u}", k, [5, 3, 4, 2] if u % 2 else [4, 2, 3, 1]) for u in range(30) for k in (0,)]
    rows += [("stars", "eval", name, 0, r) for name, r in (("high", [5, 3, 4, 2]), ("low", [4, 2, 3, 1]))]
    rows += [("stars", "eval", name, 1, [3, 3, 3, 3]) for name in ("high", "low")]
    found = expected(predict_next("matrix_factorisation", tables.windows(rows), tables.stars, 0), tables.stars)
    # W_1 holds items 1, 2, 3, 0 whose train means are 2.5, 3.5, 1.5, 4.5.
    for values in found.values():
        assert np.argsort(values).tolist() == [2, 0, 1, 3]
    assert found["high"].mean() > found["low"].mean() + 0.1


@myfm
def test_factorisation_prints_nothing(tables, many_windows, capfd):
    predict_next("matrix_factorisation", many_windows, tables.stars, 1)
    assert capfd.readouterr() == ("", "")


@myfm
def test_a_user_or_an_item_not_seen_has_no_effect_of_its_own(tables):
    """Bob has no rating yet: he gets the items' levels, the same for all such users; items not seen are alike."""
    rows = [("stars", "train", f"t{u}", 0, [5, 1, 4]) for u in range(20)]
    rows += [("stars", "eval", name, 0, [0, 0, 0]) for name in ("bob", "cid")]
    rows += [("stars", "eval", name, 1, [3, 3, 3, 3]) for name in ("bob", "cid")]
    found = expected(predict_next("matrix_factorisation", tables.windows(rows), tables.stars, 0), tables.stars)
    # W_1 holds items 1, 2, 3, 0; item 3 is new.
    assert np.argsort(found["bob"]).tolist() == [0, 2, 1, 3]
    np.testing.assert_array_equal(found["bob"], found["cid"])


@myfm
@pytest.mark.parametrize("given", [[4, 4, 4], [1, 5, 5]])
def test_a_value_that_nobody_gave_has_no_share_in_a_factorisation(tables, given):
    rows = [("stars", "train", f"t{u}", 0, given) for u in range(5)]
    rows += [("stars", "eval", "bob", 0, given), ("stars", "eval", "bob", 1, [3, 3])]
    distribution = predict_next("matrix_factorisation", tables.windows(rows), tables.stars, 0)["bob"].distribution
    assert distribution.shape == (2, 5)
    assert {i + 1 for i in np.flatnonzero(distribution.sum(axis=0))} == set(given)


def expected(predicted, domain):
    """The expected ratings of each user."""
    return {user: own.distribution @ domain.scale.values for user, own in predicted.items()}


def test_a_library_that_does_not_load_says_why(tables, small, monkeypatch):
    def broken(name):
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(NotAvailable, match=r"libgomp.so.1: cannot open.*pip install .*\[baselines\]"):
        predict_next("matrix_factorisation", small, tables.stars, 0)
