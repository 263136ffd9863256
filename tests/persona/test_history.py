from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from persona_cases import DOMAINS, FOOD, HALVES, STARS, items

from deeper.domains import Domain
from deeper.measure.metrics import crps
from deeper.persona.history import (
    Pool,
    counts_before,
    fit_history,
    with_history,
)
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PERSONA, PREDICTION
from deeper.persona.stages import controls
from deeper.persona.update_input import UPDATE_INPUT

UNIFORM = (0.2,) * 5


def window(ratings: Sequence[float]) -> list[dict[str, Any]]:
    return items([f"Grey Mill {chr(97 + i)}" for i in range(len(ratings))], ratings)


def row(domain: Domain, user: str, k: int, distribution: Any, persona: str = "p", failure: str = "") -> dict[str, Any]:
    return {
        **{"persona_id": persona, "user": user, "domain": domain.id, "k": k, "points": [], "readout": "distribution"},
        **{"distribution": np.asarray(distribution).tolist(), "calibrated": "domain", "failure": failure},
    }


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=PREDICTION)


def persona(method: str, k: int, user: str = "ann", domain: str = "stars", name: str = "p") -> dict[str, Any]:
    return {
        **{"id": name, "user": user, "domain": domain, "method": method, "k": k, "stage": "final", "text": "t"},
        **{"parent": None, "engine": "e", "prompt_version": "v", "seed": 0, "tokens": 1, "leaks": [], "failure": ""},
    }


def population(
    domain: Domain, count: int, k: int, reading: Any, seed: int = 0, spread: float = 0.6
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], Any]]:
    """Users of constant generosity; `reading(rng, ratings)` gives the persona's distributions for a window."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    windows: dict[tuple[str, str], Any] = {}
    for i in range(count):
        user, level = f"{domain.id}-{i:03}", rng.uniform(2, 5)
        drawn = [domain.scale.round(rng.normal(level, spread, 10)) for _ in range(k + 1)]
        windows[domain.id, user] = [window(ratings.tolist()) for ratings in drawn]
        rows += [row(domain, user, j, reading(rng, drawn[j], domain)) for j in range(1, k + 1)]
    return rows, windows


def knows(rng: Any, ratings: Any, domain: Domain) -> Any:
    """A predictor that sees the answer, one-hot."""
    return np.eye(len(domain.scale.values))[domain.scale.index(ratings)]


def guesses(rng: Any, ratings: Any, domain: Domain) -> Any:
    """A predictor that says anything."""
    return rng.dirichlet(np.ones(len(domain.scale.values)), len(ratings))


def test_the_pool_by_hand() -> None:
    pool = Pool(UNIFORM, shrinkage=5, history=1, persona=1, ratings=0)
    counts = np.array([0, 0, 0, 3.0, 2])
    q = pool.apply(counts, np.array([[0.2] * 5, [0, 0, 0, 0, 1.0]]))
    # h = (0+1, 0+1, 0+1, 3+1, 2+1) / 10; a flat persona changes nothing.
    np.testing.assert_allclose(q[0], [0.1, 0.1, 0.1, 0.4, 0.3])
    weights = np.array([0.1, 0.1, 0.1, 0.4, 0.3]) * (np.array([0, 0, 0, 0, 1.0]) + 1e-4)
    np.testing.assert_allclose(q[1], weights / weights.sum())


def test_weights_of_zero_leave_their_part_out() -> None:
    counts, p = np.array([9.0, 0, 0, 0, 0]), np.array([[0.1, 0.1, 0.2, 0.2, 0.4]])
    only_persona = Pool(UNIFORM, 1, history=0, persona=1, ratings=0).apply(counts, p)
    np.testing.assert_allclose(only_persona, p, atol=1e-3)
    only_history = Pool(UNIFORM, 1, history=1, persona=0, ratings=0).apply(counts, p)
    np.testing.assert_allclose(only_history, [[0.92, 0.02, 0.02, 0.02, 0.02]])


def test_a_user_without_ratings_gets_the_domains_own() -> None:
    base = (0.1, 0.1, 0.2, 0.2, 0.4)
    q = Pool(base, 5, history=1, persona=0, ratings=0).apply(np.zeros(5), np.ones((2, 5)))
    np.testing.assert_allclose(q, [base, base])


def test_counts_are_of_windows_before_and_of_real_ratings() -> None:
    windows = [window([1, 1, 0]), window([5, 0, 3]), window([4, 4, 4])]
    np.testing.assert_array_equal(counts_before(windows, 2, FOOD), [2, 0, 1, 0, 1])
    np.testing.assert_array_equal(counts_before(windows, 0, FOOD), [0, 0, 0, 0, 0])


def test_the_fit_is_the_grids_least_crps() -> None:
    rows, windows = population(STARS, 12, 2, guesses)
    history = fit_history(table(rows), windows, DOMAINS)
    pool = history.with_persona.domains["stars"]
    counts, p, actual = [], [], []
    for one in rows:
        own = windows["stars", one["user"]]
        actual += [item["rating"] for item in own[one["k"]]]
        counts += [counts_before(own, one["k"], STARS)] * 10
        p += one["distribution"]

    def loss(s: float, a: float, b: float) -> float:
        q = Pool(pool.base, s, a, b, 0).apply(np.array(counts), np.array(p, np.float32))
        return float(crps(q, STARS.scale.values, np.array(actual)).mean())

    best = min(
        loss(s, a, b)
        for s in RECIPE.history_shrinkages
        for a in RECIPE.history_weights
        for b in RECIPE.history_persona_weights
    )
    assert loss(pool.shrinkage, pool.history, pool.persona) == pytest.approx(best, abs=1e-7)
    alone = history.alone.domains["stars"]
    assert alone.persona == 0
    assert loss(alone.shrinkage, alone.history, 0) == pytest.approx(
        min(loss(s, a, 0) for s in RECIPE.history_shrinkages for a in RECIPE.history_weights), abs=1e-7
    )
    assert pool.ratings == alone.ratings == 240
    assert pool.base == alone.base and sum(pool.base) == pytest.approx(1)


def test_a_persona_that_knows_is_heard_and_one_that_guesses_is_not() -> None:
    wise, foolish = (
        fit_history(table(rows), windows, DOMAINS).with_persona.domains["stars"]
        for rows, windows in (population(STARS, 30, 3, reading) for reading in (knows, guesses))
    )
    assert wise.persona >= 1
    assert foolish.persona == 0
    assert foolish.history > 0.5, "users of constant generosity repeat themselves"


def test_equal_users_need_no_history() -> None:
    rng = np.random.default_rng(1)
    windows = {("stars", f"u{i}"): [window(rng.integers(1, 6, 10).tolist()) for _ in range(3)] for i in range(40)}
    rows = [row(STARS, user, k, np.full((10, 5), 0.2)) for _, user in windows for k in (1, 2)]
    alone = fit_history(table(rows), windows, DOMAINS).alone.domains["stars"]
    weight = alone.history * 20 / (20 + alone.shrinkage)
    assert weight < 0.5


def test_failed_unrated_and_first_windows_are_not_fitted_on() -> None:
    rows, windows = population(STARS, 6, 2, knows)
    plain = fit_history(table(rows), windows, DOMAINS)
    windows["food", "bob"] = [window([4] * 10), window([0] * 10)]
    more = [
        row(STARS, "stars-000", 1, np.empty((0, 0)), failure="no answer"),
        row(STARS, "stars-000", 0, np.full((10, 5), 0.2)),
        row(FOOD, "bob", 1, np.full((10, 5), 0.2)),
    ]
    assert fit_history(table([*rows, *more]), windows, DOMAINS) == plain


def test_domains_without_train_users_get_a_pooled_fit() -> None:
    one, two = population(STARS, 10, 2, knows), population(HALVES, 10, 2, knows)
    history = fit_history(table(one[0] + two[0]), one[1] | two[1], DOMAINS)
    assert history.with_persona.find(STARS) == ("domain", history.with_persona.domains["stars"])
    for domain in (FOOD, DOMAINS["percent"]):
        kind, pool = history.alone.find(domain)
        assert kind == "pooled" and pool is not None
        assert len(pool.base) == len(domain.scale.values) and sum(pool.base) == pytest.approx(1)
        assert (pool.persona, pool.ratings) == (0, 400)
    assert fit_history(table([]), {}, DOMAINS).alone.find(FOOD) == ("off", None)


def test_only_what_a_persona_has_not_seen_is_combined() -> None:
    rows, train = population(STARS, 8, 2, guesses)
    history = fit_history(table(rows), train, DOMAINS)
    windows = {("stars", "ann"): [window([1, 2]), window([2, 2]), window([3, 4])]}
    personas = pa.Table.from_pylist([persona("initialise", 0), persona("refine", 1, name="q")], schema=PERSONA)
    flat = np.full((2, 5), 0.2)
    predictions = table(
        [row(STARS, "ann", k, flat) for k in (0, 1, 2)] + [row(STARS, "ann", k, flat, "q") for k in (0, 1, 2)]
    )
    out = with_history(predictions, personas, windows, history, DOMAINS).to_pylist()
    assert [(r["persona_id"], r["k"]) for r in out] == [("p", 1), ("p", 2), ("q", 2)]
    pool = history.with_persona.domains["stars"]
    for found in out:
        expected = pool.apply(counts_before(windows["stars", "ann"], found["k"], STARS), flat)
        np.testing.assert_allclose(found["distribution"], expected, atol=1e-6)
        assert len(found["points"]) == 2 and found["readout"] == "distribution"
    changed = {("stars", "ann"): [window([1, 2]), window([5, 5]), window([3, 4])]}
    other = with_history(predictions, personas, changed, history, DOMAINS).to_pylist()
    assert other[0] == out[0], "W_1's ratings are not in the history of W_1"
    assert other[1] != out[1]


def test_failures_stay_failures() -> None:
    rows, train = population(STARS, 4, 1, knows)
    history = fit_history(table(rows), train, DOMAINS)
    failed = row(STARS, "ann", 1, np.empty((0, 0)), failure="no answer")
    personas = pa.Table.from_pylist([persona("initialise", 0)], schema=PERSONA)
    windows = {("stars", "ann"): [window([1]), window([2])]}
    assert with_history(table([failed]), personas, windows, history, DOMAINS) == table([failed])


def test_history_only_predicts_the_next_window_from_ratings_alone() -> None:
    rows, train = population(STARS, 20, 2, knows)
    history = fit_history(table(rows), train, DOMAINS)
    windows = {("stars", "ann"): [window([1] * 10), window([5] * 10), window([2] * 3)]}
    cases = [
        {
            **{"user": "ann", "domain": "stars", "method": "history_only", "k": k, "parent": None, "persona": ""},
            **{"windows": windows["stars", "ann"][: k + 1], "predicted": None},
        }
        for k in range(3)
    ]
    personas = controls(pa.Table.from_pylist(cases, schema=UPDATE_INPUT), DOMAINS, 72)
    assert set(personas["text"].to_pylist()) == {""}
    out = with_history(table([]), personas, windows, history, DOMAINS).to_pylist()
    assert [(r["k"], len(r["points"]), r["readout"], r["calibrated"]) for r in out] == [
        (1, 10, "none", "domain"),
        (2, 3, "none", "domain"),
    ]
    assert out[0]["points"] == [1.0] * 10
    assert out[0]["distribution"][0][0] > 0.5 > out[1]["distribution"][0][0]


def test_without_train_users_there_is_no_history() -> None:
    history = fit_history(table([]), {}, DOMAINS)
    personas = pa.Table.from_pylist([persona("initialise", 0), persona("history_only", 0, name="h")], schema=PERSONA)
    windows = {("stars", "ann"): [window([1]), window([2])]}
    out = with_history(table([row(STARS, "ann", 1, np.full((1, 5), 0.2))]), personas, windows, history, DOMAINS)
    assert out.num_rows == 0 and out.schema == PREDICTION
