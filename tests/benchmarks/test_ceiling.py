"""benchmarks/ceiling.py: what it may know, its Gaussian process, and what it prints of users whose taste is known."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import ceiling
from ceiling_features import Moments, fit_processes, moments
from ceiling_items import SHRINKAGE_RATINGS, likenesses, standing
from ceiling_process import Cases, Process, loss_and_gradient
from ceiling_ratings import Ratings, read_ratings
from ceiling_report import Errors, compared, errors_of, last_round, of_points, of_shares, over_rounds
from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import PLANTED, plant_users, write_planted
from deeper.behaviour.splits import part
from deeper.domains import Domain, Scale

STARS = Domain("stars", "Stars", "stone", Scale(1, 5, 1), unrated=(0,))
SLOTS = 30
"""Three windows: rounds 0 and 1."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("planted") / "data"
    write_planted(plant_users(80, 4, seed=4), made)
    return made


@pytest.fixture(scope="module")
def ratings(folder: Path) -> Ratings:
    return read_ratings(load_windows(str(folder)).windows.to_pylist(), PLANTED, "validation", 20)


def window(*rated: tuple[str, float], **more: Any) -> list[dict[str, Any]]:
    return [{"item": title, "title": title, "rating": rating, **more} for title, rating in rated]


def row(user: str, k: int, items: list[dict[str, Any]], split: str = "train") -> dict[str, Any]:
    return {"user": user, "domain": "stars", "split": split, "k": k, "items": items}


def users_of(wanted: str, count: int) -> list[str]:
    names = (f"u{n}" for n in range(1000))
    return [name for name in names if (part("stars", name) == "validation") == (wanted == "validation")][:count]


def cases_of(found: Ratings) -> Cases:
    known = standing(found, 1)
    return Cases(found.rating[:, :SLOTS], known.both[:, :SLOTS], likenesses(found, SLOTS, 1))


def test_a_trial_finds_planted_taste_in_seconds(folder: Path) -> None:
    command = [sys.executable, ceiling.__file__, "--data", str(folder), "--rounds", "2", "--users", "40"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["split"] == "validation" and found["sizes"]["planted"]["fit_users"] == 40
    assert "level from first windows" in done.stderr
    pooled = found["pooled"]["planted"]
    assert list(pooled) == ["level", "own_taste", "items", "all"] and pooled == found["pooled"]["mean"]
    assert pooled["own_taste"]["mae"] < pooled["level"]["mae"]
    assert pooled["all"]["rank_accuracy"]["value"] > 0.55
    assert found["against_level"]["mean"]["all"]["crps_ratio"]["ci"][1] < 1
    assert [one["round"] for one in found["by_round"]["mean"]] == [0, 1, 2]
    assert found["refining"]["mean"]["all_vs_first"]["all"]["rounds_from_1"]["mae_ratio"]["value"] < 1
    assert found["versions"].keys() >= {"lightgbm", "scikit-learn", "scipy"}


def test_a_domain_without_train_users_is_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "data"
    write_planted(plant_users(3, 3, seed=1), made)
    for choice in ("validation", "eval"):
        monkeypatch.setattr(sys, "argv", ["ceiling.py", "--data", str(made), "--domains", "planted", "--split", choice])
        monkeypatch.setattr(ceiling, "load_windows", only_eval_users)
        ceiling.main()
        found = json.loads(capsys.readouterr().out)
        assert found["not_available"] == {"planted": "not available: no train users"}
        assert not found["sizes"] and "pooled" not in found


def only_eval_users(*asked: Any) -> Any:
    loaded = load_windows(*asked)
    columns = loaded.windows.to_pylist()
    changed = [{**one, "split": "eval"} for one in columns]
    return replace(loaded, windows=type(loaded.windows).from_pylist(changed, loaded.windows.schema))


def test_eval_users_are_read_only_when_asked_for() -> None:
    fit, judged = users_of("fit", 2), users_of("validation", 1)
    items = window(("A", 5), ("B", 0))
    rows = [row(user, k, items) for user in (*fit, *judged) for k in range(2)]
    rows += [row("someone", k, items, "eval") for k in range(2)]
    validation, final = (read_ratings(rows, STARS, split, None) for split in ("validation", "eval"))
    assert validation.judged.tolist() == [False, False, True]
    assert final.judged.tolist() == [False, False, False, True]
    assert validation.sizes() == {
        "fit_users": 2, "fit_ratings": 4, "users": 1, "ratings": 2, "titles": 1, "titles_with_categories": 0
    }  # fmt: skip
    assert read_ratings(rows, STARS, "eval", 1).judged.tolist() == [False, True]


def test_what_is_known_of_an_item_is_what_others_think() -> None:
    fit, judged = users_of("fit", 30), users_of("validation", 1)
    rows = [row(user, k, window(("Good one", 5), (f"Thing {user}{k}", 3))) for user in fit for k in range(2)]
    own = {"Good one": 1.0, "Other": 5.0}
    rows += [row(judged[0], k, window(*own.items())) for k in range(2)]
    found = read_ratings(rows, STARS, "validation", None)
    known = standing(found, 1)
    assert found.judged[-1] and known.count[-1, 0] == 60
    assert known.effect[-1, 0] == pytest.approx(60 * 1.0 / (60 + SHRINKAGE_RATINGS))
    assert known.effect[-1, 1] == known.count[-1, 1] == 0
    # Nobody's own rating counts: the other folds have at most 60 − 2 ratings of the item.
    assert known.count[0, 0] <= 58
    changed = read_ratings([*rows[:-2], *(row(judged[0], k, window(("Good one", 5), ("Other", 1))) for k in range(2))],
                           STARS, "validation", None)  # fmt: skip
    for name in ("suggested", "effect", "count", "both"):
        np.testing.assert_array_equal(getattr(known, name), getattr(standing(changed, 1), name))


def test_categories_tell_of_items_that_nobody_rated() -> None:
    fit, judged = users_of("fit", 30), users_of("validation", 1)

    def rows(categories: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        def rated(title: str, rating: float, kind: str) -> list[dict[str, Any]]:
            return window((title, rating), categories=categories[kind])

        return [
            row(user, k, rated(f"x{user}{k}", 5, "loved") + rated(f"y{user}{k}", 1, "other"))
            for user in (*fit, *judged)
            for k in range(2)
        ]

    found = read_ratings(rows({"loved": ["Opera"], "other": ["Noise"]}), STARS, "validation", None)
    assert found.sizes()["titles_with_categories"] == len(found.titles)
    suggested = standing(found, 1).suggested[-1]
    assert suggested[0] > 0.5 and suggested[1] < -0.5
    alike = likenesses(found, 4, 1)
    assert alike["categories"][-1, 0].tolist() == pytest.approx([1, 0, 1, 0])
    assert "categories" not in likenesses(
        read_ratings(rows({"loved": [], "other": []}), STARS, "validation", None), 4, 1
    )


def test_nothing_known_before_a_window_depends_on_it(ratings: Ratings) -> None:
    cases = cases_of(ratings)
    processes = fit_processes(ratings, cases, 1)
    last = slice(SLOTS - ratings.window_size, SLOTS)
    rating = ratings.rating.copy()
    rating[np.ix_(ratings.judged, np.arange(last.start, rating.shape[1]))] = 0.5
    changed = replace(ratings, rating=rating)
    for history in ("all", "first", "last"):
        before, after = (
            moments(one, standing(one, 1), cases_of(one), processes, history, 1) for one in (ratings, changed)
        )
        assert set(before.features) == set(after.features) and len(before.rating) == len(after.rating)
        for name, values in before.features.items():
            np.testing.assert_array_equal(values, after.features[name], err_msg=name)
        assert (after.rating[after.round == 1] == 0.5)[ratings.judged[after.user[after.round == 1]]].all()


def test_histories_know_their_windows(ratings: Ratings) -> None:
    cases = cases_of(ratings)
    processes = {"level": Process(3.0, 0.0, {"level": 1.0, "drift": 0.5, "noise": 1.0})}
    found: dict[str, Moments] = {
        history: moments(ratings, standing(ratings, 1), cases, processes, history, 1)
        for history in ("all", "first", "last")
    }
    second = found["all"].round == 1
    counts = {history: set(one.features["count"][second]) for history, one in found.items()}
    assert counts == {"all": {20.0}, "first": {10.0}, "last": {10.0}}
    at = np.flatnonzero(second)[0]
    user = found["all"].user[at]
    assert found["first"].median[at] == np.median(ratings.rating[user, :10])
    assert found["last"].median[at] == np.median(ratings.rating[user, 10:20])


def made_cases() -> Cases:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(3, 12, 4))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    rating = rng.normal(3, 1, (3, 12))
    rating[0, 3] = rating[2, 10] = np.nan
    return Cases(rating, rng.normal(size=(3, 12)), {"words": directions @ directions.swapaxes(1, 2)})


def test_the_gradient_of_the_likelihood_is_exact() -> None:
    point, names, cases = (
        np.array([-0.5, -0.7, -0.2, -1, 1.5, 3, 0.7]),
        ("level", "drift", "noise", "words"),
        made_cases(),
    )
    _, gradient = loss_and_gradient(point, names, cases)
    for i, step in enumerate(np.eye(7) * 1e-5):
        rise = loss_and_gradient(point + step, names, cases)[0] - loss_and_gradient(point - step, names, cases)[0]
        assert gradient[i] == pytest.approx(rise / 2e-5, rel=1e-6)


def test_predictions_of_a_process_are_those_of_the_formula() -> None:
    cases = made_cases()
    process = Process(3.0, 0.5, {"level": 0.6, "drift": 0.4, "noise": 0.8, "words": 0.7}, 9.0)
    known = ~np.isnan(cases.rating)
    known[:, 9:] = False
    mean, variance = process.posterior(cases, process.covariance(cases), known, slice(9, 12))
    for user in range(3):
        seen = np.flatnonzero(known[user])
        apart = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
        whole = 0.36 + 0.16 * np.exp(-apart / 9) + 0.49 * cases.likeness["words"][user]
        within, across = whole[np.ix_(seen, seen)] + 0.64 * np.eye(len(seen)), whole[np.ix_([9, 10, 11], seen)]
        prior = 3 + 0.5 * cases.effect[user]
        wanted = prior[9:] + across @ np.linalg.solve(within, cases.rating[user, seen] - prior[seen])
        np.testing.assert_allclose(mean[user], wanted)
        left = whole[9:, 9:] - across @ np.linalg.solve(within, across.T)
        np.testing.assert_allclose(variance[user], np.diag(left))


def test_errors_are_means_of_users_rounds() -> None:
    rating, place = np.array([1.0, 5.0, 3.0]), (np.array([0, 0, 1]), np.array([0, 0, 1]))
    points = errors_of(of_points(np.array([1.0, 2.0, 3.0])), rating, place, (2, 2))
    np.testing.assert_array_equal(points.mae, [[1.5, np.nan], [np.nan, 0.0]])
    np.testing.assert_array_equal(points.crps, points.mae)
    np.testing.assert_array_equal(points.rank, [[1.0, np.nan], [np.nan, np.nan]])
    shares = np.array([[1, 0, 0, 0, 0], [0, 0, 0, 0.4, 0.6], [0.2, 0.2, 0.2, 0.2, 0.2]])
    found = errors_of(of_shares(shares, STARS.scale), rating, place, (2, 2))
    np.testing.assert_allclose(found.mae, [[0.0, np.nan], [np.nan, 0.0]])
    np.testing.assert_allclose(found.crps[0, 0], 0.4**2 / 2)


def test_ratios_are_over_the_rounds_that_both_have() -> None:
    mine, theirs = np.array([[1.0, 3.0], [1.0, np.nan]]), np.array([[2.0, np.nan], [2.0, 8.0]])
    rows = {name: {"stars": Errors(one, one, one)} for name, one in (("mine", mine), ("theirs", theirs))}
    [found] = compared(rows, "theirs", over_rounds).values()
    assert found["mae_ratio"]["value"] == found["crps_ratio"]["value"] == 0.5 and found["mae"] == 1.0
    assert last_round(np.array([[1.0, 2.0, np.nan]])).tolist() == [2.0]


def test_without_a_second_round_nothing_is_said_of_refining() -> None:
    once = Errors(*(np.array([[1.0, np.nan], [2.0, np.nan]]) for _ in range(3)))
    names = ("user_median", "level", "own_taste", "items", "all")
    found = ceiling.report({"stars": {(seen, name): once for seen in ceiling.HISTORIES for name in names}}, 1)
    assert found["refining"] == {"stars": {}, "mean": {}}
    assert [one["round"] for one in found["by_round"]["stars"]] == [0]
    assert found["pooled"]["mean"]["all"]["mae_ratio"] == {"value": 1.0, "ci": [1.0, 1.0]}
