from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from context_cases import DOMAINS, OLD, context, directions_of, sampler, table, window

from deeper.behaviour.planted.plant import plant_users
from deeper.behaviour.splits import part
from deeper.behaviour.users import choose_users
from deeper.behaviour.windows import to_windows
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure
from deeper.learning.preferences.contexts import contexts
from deeper.learning.preferences.directions import sample
from deeper.learning.preferences.schema import CONTEXT, DIRECTION
from deeper.persona.calibration import fit, fit_calibration
from deeper.persona.schema import PERSONA, PREDICTION
from deeper.persona.updaters import MODULES, UPDATERS

REFINE = {"refine": MODULES["refine"]}


def train_windows(users: int = 40, windows: int = 4) -> pa.Table:
    return to_windows(plant_users(users, windows, seed=2).behaviour, split=lambda _: "train")


def persona(user: str, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(PERSONA.names, "")
    return {**row, "id": f"s0-{user}", "user": user, "domain": "planted", "k": 0, "text": "Old.", **changes}


def prediction(user: str, ratings: list[float], failure: str = "") -> dict[str, Any]:
    row = {"persona_id": f"s0-{user}", "user": user, "domain": "planted", "k": 1, "points": ratings}
    sure = np.eye(10)[DOMAINS["planted"].scale.index(np.array(ratings))].tolist()
    return {**row, "distribution": sure, "readout": "distribution", "calibrated": "off", "failure": failure}


def test_each_context_gets_n_directions_from_one_call() -> None:
    engine = ScriptedEngine()
    made = sample(table(context("u"), context("v")), sampler(engine, 5), DOMAINS)
    assert made.schema == DIRECTION
    rows = made.to_pylist()
    assert [(row["user"], row["sample"]) for row in rows] == [(user, n) for user in "uv" for n in range(5)]
    assert {(row["seed"], row["k"]) for row in rows} == {(7, 1)}
    assert {row["parent"] for row in rows if row["user"] == "v"} == {"old-of-v"}
    assert len({row["id"] for row in rows}) == 10
    calls = [call for call in engine.asked if isinstance(call, GenerateCall)]
    assert len(calls) == 2
    assert {(call.sampling.n, call.sampling.temperature, call.sampling.seed) for call in calls} == {(5, 1.0, 7)}


def test_a_policy_sees_the_old_persona_and_the_current_window_but_not_the_future() -> None:
    engine = ScriptedEngine()
    sample(table(context()), sampler(engine, 2), DOMAINS)
    [call] = engine.asked
    assert isinstance(call, GenerateCall)
    assert OLD in call.prompt.user and "Cove C" in call.prompt.user
    assert "Cove E" not in call.prompt.user and "Cove F" not in call.prompt.user


def test_duplicates_and_leaks_are_marked() -> None:
    contexts = table(context(windows=[window(quiet=4.0), window(harbour=5.0)], predicted=[3.0]))
    texts = ["Loves calm.", "Loves  calm.", OLD, "Adores Cove Harbour.", "Gave five stars."]
    rows = directions_of(contexts, *texts).to_pylist()
    assert [row["duplicate"] for row in rows] == [False, True, True, False, False]
    assert [row["leaks"] for row in rows] == [[], [], [], ["Cove HARBOUR"], ["five stars"]]
    assert rows[1]["text"] == "Loves calm."


def test_a_failed_call_stays_as_rows() -> None:
    engine = ScriptedEngine(texts=[ScriptedFailure("the server is gone"), "Likes it.", ""])
    rows = sample(table(context("u"), context("v")), sampler(engine, 2), DOMAINS).to_pylist()
    assert [row["failure"] for row in rows] == ["the server is gone"] * 2 + ["", "the engine gave an empty text"]
    assert [row["text"] for row in rows] == ["", "", "Likes it.", ""]
    assert not any(row["duplicate"] for row in rows), "missing texts are no duplicates"


def test_users_are_train_users_of_the_parts_and_a_smaller_choice_is_a_part_of_a_larger_one() -> None:
    windows = train_windows()
    chosen = choose_users(windows, ["validation"], 100)
    assert chosen and {part(*key) for key in chosen} == {"validation"}
    assert list(chosen) == sorted(chosen)
    both, few = choose_users(windows, ["b", "validation"], 100), choose_users(windows, ["b", "validation"], 3)
    assert chosen.keys() < both.keys()
    assert len(few) == 3 and few.keys() < both.keys()
    assert all(len(own) == 4 for own in both.values())
    assert choose_users(train_windows(windows=2), ["b"], 100) == {}, "two windows give no context"
    held = to_windows(plant_users(40, 4, seed=2).behaviour, split=lambda _: "eval")
    assert choose_users(held, ["a", "b", "validation"], 100) == {}


def test_a_context_is_what_one_refinement_sees() -> None:
    windows = choose_users(train_windows(), ["b"], 3)
    (_, first), (_, second), (_, third) = windows
    personas = [persona(first), persona(second), persona(third, failure="the server is gone")]
    read = pa.Table.from_pylist([prediction(first, [2.0] * 10), prediction(second, [], "unread")], schema=PREDICTION)
    made = contexts(personas, read, [], windows, REFINE, 1)
    assert made.schema == CONTEXT
    one, other = made.to_pylist()
    own = windows["planted", first]
    assert (one["user"], one["k"], one["part"], one["parent"]) == (first, 1, "b", f"s0-{first}")
    assert [[item["title"] for item in w] for w in one["windows"]] == [[i["title"] for i in w] for w in own[:2]]
    assert [item["title"] for w in one["future"] for item in w] == [item["title"] for item in own[2]]
    assert one["predicted"] == [2.0] * 10
    assert (other["user"], other["predicted"]) == (second, None), "an unread prediction is unknown to the policy"
    later = contexts([persona(first, k=1)], read.slice(0, 0), [], windows, REFINE, 1).to_pylist()
    assert [len(row["windows"]) for row in later] == [3]
    assert contexts([persona(first, k=2)], read.slice(0, 0), [], windows, REFINE, 1).num_rows == 0, (
        "no future window is left"
    )


def test_the_map_is_fitted_on_what_could_be_read() -> None:
    windows = choose_users(train_windows(), ["b"], 2)
    (_, first), (_, second) = windows
    rows = [prediction(first, [2.0] * 10), prediction(second, [], "unread")]
    read = pa.Table.from_pylist(rows, schema=PREDICTION)
    ratings = np.array([item["rating"] for item in windows["planted", first][1]])
    expected = fit([(DOMAINS["planted"], np.array(rows[0]["distribution"]), ratings)])
    assert fit_calibration(read, windows, DOMAINS) == expected
    assert expected.pooled is not None and expected.pooled.ratings == 10


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("future_windows", [1, 3])
def test_the_future_of_any_round_is_hidden_from_every_updater(k: int, future_windows: int) -> None:
    """Whatever the round and the reward, the last window that a prompt can hold is the current one."""
    windows = choose_users(train_windows(windows=6), ["b"], 1)
    [(_, user)] = windows
    own = windows["planted", user]
    no_points = pa.Table.from_pylist([], schema=PREDICTION)
    recent = [persona(user, k=k + 1, text="Fond of fables.")]
    made = contexts([persona(user, k=k)], no_points, recent, windows, MODULES, future_windows)
    assert [len(row["future"]) for row in made.to_pylist()] == [min(future_windows, 6 - k - 2)] * len(UPDATERS)
    engine = ScriptedEngine()
    sample(made, sampler(engine, 1), DOMAINS)
    prompts = dict(zip(made["method"].to_pylist(), [call.prompt.user for call in engine.asked], strict=True))
    for method, prompt in prompts.items():
        assert all(item["title"] in prompt for item in own[k + 1]) == (method != "hierarchical_merge")
        assert not any(item["title"] in prompt for w in own[k + 2 :] for item in w)
    assert "Fond of fables." in prompts["hierarchical_merge"]


def test_every_updater_starts_from_the_same_personas() -> None:
    windows = choose_users(train_windows(), ["b"], 3)
    olds = [persona(user) for _, user in windows]
    recent = [persona(user, k=1, text=f"Recent {user}.") for _, user in windows]
    recent[0]["failure"] = "the server is gone"
    made = contexts(olds, pa.Table.from_pylist([], schema=PREDICTION), recent, windows, MODULES, 1).to_pylist()
    of_method = {method: [row for row in made if row["method"] == method] for method in MODULES}
    parents = [row["parent"] for row in of_method["refine"]]
    assert parents == [old["id"] for old in olds]
    for method, rows in of_method.items():
        missing = method == "hierarchical_merge"
        assert [row["parent"] for row in rows] == parents[missing:], "no context without the persona that it needs"
        assert {row["short_term"] for row in rows} == (
            {f"Recent {user}." for _, user in list(windows)[1:]} if missing else {""}
        )


def test_each_updater_is_asked_with_its_own_prompt_and_its_directions_are_told_apart() -> None:
    engine = ScriptedEngine(reply=lambda prompt, number: f"Likes it {number}.")
    rows = sample(
        table(*(context(method=method, short_term="Recent.") for method in MODULES)), sampler(engine, 2), DOMAINS
    ).to_pylist()
    assert [row["method"] for row in rows] == [method for method in MODULES for _ in range(2)]
    prompts = [call.prompt.user for call in engine.asked if isinstance(call, GenerateCall)]
    assert len(set(prompts)) == len(MODULES)
    assert len({row["id"] for row in rows}) == len(rows), "equal texts of several updaters"
    assert not any(row["duplicate"] for row in rows), "a text is repeated only within a context"
