from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest
from persona_cases import DOMAINS, items

from deeper.engine import Prompt
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure
from deeper.persona.predict import PREDICT_INPUT, predict, predict_row
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PERSONA
from deeper.persona.search import (
    CANDIDATE,
    CANDIDATE_INPUT,
    SEARCH,
    asked_to_choose,
    candidate_inputs,
    choose,
    draw,
)
from deeper.persona.update_input import UPDATE_INPUT
from deeper.persona.updaters import MODULES, UPDATERS
from deeper.persona.write import Writer

PROMPTS = load_prompts()
OLD = "likes everything"


def update_of(method: str = "refine", k: int = 1, user: str = "ann", size: int = 10, **values: Any) -> dict[str, Any]:
    """An update of a user whose ratings all are 2; titles say their window and position."""
    titles = [[f"Silent Cove w{j}i{i}x" for i in range(size)] for j in range(k + 1)]
    return {
        **{"user": user, "domain": "stars", "method": method, "k": k, "parent": f"old-{user}", "persona": OLD},
        **{"windows": [items(window, [2.0] * size) for window in titles], "predicted": [5.0] * size},
        **values,
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=UPDATE_INPUT)


def questions(*what: pa.Table) -> pa.Table:
    """What the predictor reads to choose among candidates."""
    return pa.Table.from_pylist([predict_row(*one) for one in asked_to_choose(*what)], schema=PREDICT_INPUT)


def writer(reply: Callable[[Prompt, int], str] | None = None) -> Writer:
    return Writer(ScriptedEngine(reply=reply), PROMPTS, 60, 3)


def saying(words: Sequence[str]) -> Callable[[Prompt, int], str]:
    """Answer the candidates one after the other with these personas."""
    left = list(words)

    def reply(prompt: Prompt, sample: int) -> str:
        text = left.pop(0)
        if text == "fails":
            raise ScriptedFailure("no server")
        return text

    return reply


POINTS = {"awful": 1, "poor": 2, "fair": 3, "good": 4, "everything": 5}


def reads(prompt: Prompt, continuation: str, labels: Sequence[str]) -> list[float]:
    """A predictor that takes the last word of POINTS in a persona for every rating."""
    said = max(POINTS, key=prompt.user.rfind)
    return [0.0 if label == str(POINTS[said]) else -30.0 for label in labels]


def search(
    rows: Sequence[dict[str, Any]], texts: Sequence[str], n: int, judge: Any = reads
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], ScriptedEngine]:
    """All steps of a search."""
    updates, policy, predictor = table(*rows), writer(saying(texts)), ScriptedEngine(scorer=judge)
    inputs = candidate_inputs(updates, 7, n)
    drawn = draw(inputs, policy, DOMAINS, MODULES)
    predictions = predict(questions(updates, inputs, drawn), predictor, PROMPTS, DOMAINS, "distribution", 1)
    parents = {row["parent"]: parent(row["user"]) for row in rows}
    personas, decisions = choose(updates, inputs, drawn, predictions, parents, policy, DOMAINS)
    assert personas.schema == PERSONA and decisions.schema == SEARCH
    return personas.to_pylist(), decisions.to_pylist(), predictor


def parent(user: str) -> dict[str, Any]:
    return {"id": f"old-{user}", "text": OLD, "tokens": 2, "leaks": ["everything"]}


def test_each_candidate_has_a_random_half_of_its_own_and_the_rest_is_held_out() -> None:
    rows = [update_of("refine", 2), update_of("slide_regeneration", 2), update_of("refine", 2, "bob")]
    inputs = candidate_inputs(table(*rows), 7, 6)
    assert inputs.schema == CANDIDATE_INPUT
    out = inputs.to_pylist()
    assert [row["candidate"] for row in out] == [c for c in range(6) for _ in rows]
    seen = set()
    for row in out:
        [original] = [r for r in rows if (r["user"], r["method"]) == (row["user"], row["method"])]
        whole = original["windows"][-1]
        read = [item["title"] for item in row["windows"][-1]]
        left = [whole[i]["title"] for i in row["held_out"]]
        assert len(read) == len(left) == len(row["predicted"]) == 5
        assert sorted(read + left) == sorted(item["title"] for item in whole)
        assert [[i["title"] for i in w] for w in row["windows"][:-1]] == [
            [i["title"] for i in w] for w in original["windows"][:-1]
        ]
        seen.add(tuple(row["held_out"]))
    assert len(seen) > 12, "halves differ between candidates, users and methods"
    assert inputs == candidate_inputs(table(*rows), 7, 6)
    assert inputs != candidate_inputs(table(*rows), 8, 6)
    few = candidate_inputs(table(*rows[::-1]), 7, 2).to_pylist()
    assert {str(row) for row in few} < {str(row) for row in out}, "a half depends on its own update only"


@pytest.mark.parametrize(("size", "read"), [(1, 1), (2, 1), (5, 3)])
def test_of_an_odd_number_the_larger_half_is_read(size: int, read: int) -> None:
    [row] = candidate_inputs(table(update_of(size=size, predicted=None)), 7, 1).to_pylist()
    assert (len(row["windows"][-1]), len(row["held_out"])) == (read, size - read)
    assert row["predicted"] is None


@pytest.mark.parametrize("method", UPDATERS)
def test_a_candidate_is_written_from_its_half_alone_and_warm(method: str) -> None:
    policy = writer()
    inputs = candidate_inputs(table(update_of(method, 2)), 7, 3)
    drawn = draw(inputs, policy, DOMAINS, MODULES)
    assert drawn.schema == CANDIDATE
    calls = [call for call in policy.engine.asked if isinstance(call, GenerateCall)]  # type: ignore[attr-defined]
    assert {call.sampling.temperature for call in calls} == {RECIPE.search_temperature}
    asked = " ".join(call.prompt.user for call in calls[:1])
    first = inputs.to_pylist()[0]
    for item in first["windows"][-1]:
        assert item["title"] in asked
    for i in first["held_out"]:
        assert f"w2i{i}x" not in asked
    assert ("w0i0x" in asked) == (method == "full_regeneration")
    finals = [row for row in drawn.to_pylist() if row["stage"] == "final"]
    assert [row["candidate"] for row in finals] == [0, 1, 2]
    assert len({row["seed"] for row in finals}) == len({row["id"] for row in finals}) == 3
    assert {row["parent"] for row in finals} == {"old-ann"}
    stages = [row["stage"] for row in drawn.to_pylist()]
    assert stages.count("short_term") == (3 if method == "hierarchical_merge" else 0)


def test_the_predictor_is_asked_only_for_what_a_candidate_has_not_read_of_the_window() -> None:
    rows = [update_of("refine", 2), update_of("incremental_update", 2)]
    updates = table(*rows)
    inputs = candidate_inputs(updates, 7, 2)
    drawn = draw(inputs, writer(saying(["a", "b", "fails", "d"])), DOMAINS, MODULES)
    asked = {row["persona_id"]: row for row in questions(updates, inputs, drawn).to_pylist()}
    failed = [row["id"] for row in drawn.to_pylist() if row["failure"]]
    assert len(failed) == 1 and len(asked) == 1 + 3, "the old persona once, and no candidate that failed"
    assert [len(target["titles"]) for target in asked["old-ann"]["targets"]] == [10, 10, 10]
    held_out = {(row["method"], row["candidate"]): row["held_out"] for row in inputs.to_pylist()}
    for row in drawn.to_pylist():
        if not row["failure"]:
            targets = asked[row["id"]]["targets"]
            assert [(target["k"], len(target["titles"])) for target in targets] == [(0, 10), (1, 10), (2, 5)]
            expected = [f"Silent Cove w2i{i}x" for i in held_out[row["method"], row["candidate"]]]
            assert targets[-1]["titles"] == expected


def test_the_best_candidate_wins_and_the_decision_is_recorded() -> None:
    [persona], decisions, predictor = search([update_of(k=2)], ["is fair", "is poor", "is good"], 3)
    assert persona["text"] == "is poor"
    assert (persona["user"], persona["method"], persona["k"], persona["parent"]) == ("ann", "refine", 2, "old-ann")
    assert [(d["candidate"], d["text"], d["chosen"]) for d in decisions] == [
        (0, "is fair", False),
        (1, "is poor", True),
        (2, "is good", False),
    ]
    # All ratings are 2; the old persona says 5 and was asked for everything, a candidate for 25 of 30.
    assert [(d["ratings"], d["mae_old"], d["mae"], d["gain"]) for d in decisions] == [
        (25, 3, 1, 2),
        (25, 3, 0, 3),
        (25, 3, 2, 1),
    ]
    assert persona["id"] == decisions[1]["id"] and persona["seed"] == decisions[1]["seed"]
    assert len(predictor.asked) == 4


@pytest.mark.parametrize("texts", [["loves everything"] * 2, ["is awful", "loves everything"]])
def test_the_old_persona_stays_where_no_candidate_is_better(texts: list[str]) -> None:
    row = update_of(k=1)
    for window in row["windows"]:
        for item in window:
            item["rating"] = 5.0
    [persona], decisions, _ = search([row], texts, 2)
    assert persona["text"] == OLD
    assert (persona["k"], persona["parent"], persona["stage"]) == (1, "old-ann", "final")
    assert persona["id"] != "old-ann"
    assert (persona["tokens"], persona["leaks"], persona["failure"]) == (2, ["everything"], "")
    assert not any(d["chosen"] for d in decisions)
    assert decisions[1]["gain"] == 0


def test_of_equal_candidates_the_first_wins() -> None:
    [persona], decisions, _ = search([update_of()], ["is poor", "is really poor"], 2)
    assert persona["text"] == "is poor" and [d["chosen"] for d in decisions] == [True, False]


def test_a_gain_is_over_the_candidates_own_held_out_ratings() -> None:
    """The old persona is right about even items only, the candidate about odd ones: who wins depends on the half."""

    def judge(prompt: Prompt, continuation: str, labels: Sequence[str]) -> list[float]:
        even = int(continuation.split("w1i")[1].split("x")[0]) % 2 == 0
        right = even if OLD in prompt.user else not even
        return [0.0 if label == ("2" if right else "5") else -30.0 for label in labels]

    row = update_of(k=1)
    for item in row["windows"][0]:
        item["rating"] = 0.0
    row["domain"] = "food"  # where 0 is no rating
    _, decisions, _ = search(
        [row], [f"candidate {word}" for word in ("a", "b", "c", "d", "e", "f")], 6, judge_of(judge)
    )
    inputs = candidate_inputs(table(row), 7, 6).to_pylist()
    for decision, half in zip(decisions, inputs, strict=True):
        even = sum(i % 2 == 0 for i in half["held_out"])
        assert decision["ratings"] == 5
        assert decision["mae_old"] == pytest.approx(3 * (5 - even) / 5)
        assert decision["mae"] == pytest.approx(3 * even / 5)
        assert decision["gain"] == pytest.approx(decision["mae_old"] - decision["mae"])
    best = max(decisions, key=lambda d: d["gain"])
    assert best["chosen"] == (best["gain"] > 0)


def judge_of(judge: Any) -> Any:
    """The judge for W_1, and a constant for the unrated W_0."""
    return lambda prompt, text, labels: judge(prompt, text, labels) if "w1i" in text else [0.0] + [-9.0] * 4


def test_candidates_that_failed_cannot_win_and_are_recorded() -> None:
    [persona], decisions, _ = search([update_of()], ["fails", "is fair"], 2)
    assert persona["text"] == "is fair"
    assert (decisions[0]["failure"], decisions[0]["gain"], decisions[0]["ratings"]) == ("no server", None, 0)


def test_where_all_candidates_fail_the_old_persona_stays_and_says_so() -> None:
    [persona], decisions, _ = search([update_of()], ["fails", "fails"], 2)
    assert (persona["text"], persona["failure"]) == (OLD, "no server")
    assert [d["failure"] for d in decisions] == ["no server"] * 2


def test_a_window_that_could_not_be_read_is_left_out_of_both_sides() -> None:
    def judge(prompt: Prompt, continuation: str, labels: Sequence[str]) -> list[float]:
        if OLD in prompt.user and "w0" in continuation:
            raise ScriptedFailure("too long")
        return reads(prompt, continuation, labels)

    _, [decision], _ = search([update_of(k=2)], ["is poor"], 1, judge)
    assert (decision["ratings"], decision["mae_old"], decision["mae"]) == (15, 3, 0)


def test_without_any_rating_to_judge_by_the_old_persona_stays() -> None:
    row = update_of(domain="food")
    for window in row["windows"]:
        for item in window:
            item["rating"] = 0.0
    [persona], [decision], _ = search([row], ["is poor"], 1)
    assert persona["text"] == OLD and persona["failure"] == ""
    assert (decision["gain"], decision["failure"]) == (None, "there is no rating to judge it by")


def test_a_chosen_merge_brings_its_short_term_persona_along() -> None:
    texts = ["short one", "is fair", "short two", "is poor"]
    personas, _, _ = search([update_of("hierarchical_merge")], texts, 2)
    assert [(p["stage"], p["text"]) for p in personas] == [("short_term", "short two"), ("final", "is poor")]
    kept, _, _ = search([update_of("hierarchical_merge")], ["short one", "loves everything"], 1)
    assert [(p["stage"], p["text"]) for p in kept] == [("final", OLD)]


def test_users_and_methods_are_searched_apart() -> None:
    rows = [update_of("refine"), update_of("slide_regeneration"), update_of("refine", user="bob")]
    texts = ["is poor", "is good", "loves everything", "is good", "is poor", "loves everything"]
    # Within a candidate's number, rows keep their order.
    personas, decisions, _ = search(rows, texts, 2)
    assert [(p["user"], p["method"], p["text"]) for p in personas] == [
        ("ann", "refine", "is poor"),
        ("ann", "slide_regeneration", "is poor"),
        ("bob", "refine", OLD),
    ]
    assert len(decisions) == 6 and sum(d["chosen"] for d in decisions) == 2


def test_nothing_to_update_is_nothing_to_search() -> None:
    inputs = candidate_inputs(table(), 7, 3)
    drawn = draw(inputs, writer(), DOMAINS, MODULES)
    assert (inputs.num_rows, drawn.num_rows, questions(table(), inputs, drawn).num_rows) == (0, 0, 0)
    assert drawn.schema == CANDIDATE
