from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from persona_cases import DOMAINS, items

from deeper.behaviour.users import Key, Windows
from deeper.domains import Domain
from deeper.engine import Prompt
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure
from deeper.persona.calibration import UNCALIBRATED, Calibrator
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.rounds import Loop, Round, RoundsPlan, asked_for, carried
from deeper.persona.schema import PREDICTION
from deeper.persona.write import Writer
from deeper.storage.stage import InMemory

PROMPTS = load_prompts()
ANN, BOB = ("stars", "ann"), ("stars", "bob")


def windows_of(**counts: int) -> Windows:
    """This many windows of each user; titles say whose window they are from."""
    return {("stars", user): [window(user, k) for k in range(count)] for user, count in counts.items()}


def window(user: str, k: int) -> list[dict[str, Any]]:
    return items([f"Silent Cove {user} w{k} {part}" for part in "ab"], [1.0 + k % 5, 5.0])


def loop_of(policy: ScriptedEngine, predictor: ScriptedEngine | None = None) -> Loop:
    predictors = Predictors([predictor or ScriptedEngine()], [None], PROMPTS, DOMAINS, "distribution", 1)
    return Loop(InMemory(), Writer(policy, PROMPTS, 60, 3), predictors, DOMAINS)


def walk(loop: Loop, plan: RoundsPlan, windows: Windows, calibrator: Calibrator = UNCALIBRATED) -> Iterator[Round]:
    """All rounds, after the first personas and their predictions of W_1."""
    first = carried(loop.initialise(windows))
    raw = loop.predict("predict-0", asked_for(((row, [1]) for row in first), windows))
    return loop.rounds(plan, first, calibrator.calibrate(raw, DOMAINS), windows, calibrator)


def failing_on(*titles: str) -> ScriptedEngine:
    """A policy that gives no text where the prompt shows one of these titles."""
    texts = iter(range(1000))

    def reply(prompt: Prompt, sample: int) -> str:
        if any(title in prompt.user for title in titles):
            raise ScriptedFailure("no server")
        return f"likes {'very ' * next(texts)}quiet coves"

    return ScriptedEngine(reply=reply)


def updated(rounds: Iterator[Round]) -> list[list[str]]:
    """The users that each round updates."""
    return [sorted(row["user"] for row in carried(one.personas)) for one in rounds]


def prompts_with(engine: ScriptedEngine, title: str) -> list[str]:
    asked = [call.prompt.user for call in engine.asked if isinstance(call, GenerateCall)]
    return [prompt for prompt in asked if title in prompt]


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_there_are_as_many_rounds_as_planned(rounds: int) -> None:
    given = list(walk(loop_of(ScriptedEngine()), RoundsPlan(rounds, ["refine"]), windows_of(ann=9)))
    assert [one.personas["k"].to_pylist() for one in given] == [[t] for t in range(1, rounds + 1)]
    assert [one.predictions["k"].to_pylist() for one in given] == [[t + 1] for t in range(1, rounds + 1)]


def test_without_users_or_methods_there_is_no_round() -> None:
    assert list(walk(loop_of(ScriptedEngine()), RoundsPlan(2, ["refine"]), {})) == []
    assert list(walk(loop_of(ScriptedEngine()), RoundsPlan(2, []), windows_of(ann=9))) == []


def test_a_user_whose_update_failed_goes_on_with_the_old_text() -> None:
    windows, policy = windows_of(ann=5, bob=5), failing_on("ann w1")
    first = carried(loop_of(failing_on()).initialise(windows))[0]
    rounds = [carried(one.personas) for one in walk(loop_of(policy), RoundsPlan(2, ["refine"]), windows)]
    [failed, _], [ann, _] = rounds
    assert (failed["user"], failed["text"], failed["failure"]) == ("ann", first["text"], "no server")
    assert ann["user"] == "ann" and ann["failure"] == "" and ann["text"] != failed["text"]
    [prompt] = prompts_with(policy, "ann w2")
    assert failed["text"] in prompt


@pytest.mark.parametrize(("title", "expected"), [("ann w0", [["bob"], ["bob"]]), ("ann w1", [["ann", "bob"], ["bob"]])])
def test_without_failed_leaves_out_the_users_whose_persona_failed(title: str, expected: list[list[str]]) -> None:
    windows = windows_of(ann=5, bob=5)
    plan = RoundsPlan(2, ["refine"], without_failed=True)
    assert updated(walk(loop_of(failing_on(title)), plan, windows)) == expected
    assert updated(walk(loop_of(failing_on(title)), RoundsPlan(2, ["refine"]), windows)) == [["ann", "bob"]] * 2


@pytest.mark.parametrize(
    ("windows_after", "expected"),
    [
        (0, [["ann", "bob"], ["ann", "bob"], ["bob"], ["bob"]]),
        (1, [["ann", "bob"], ["bob"], ["bob"], []]),
        (2, [["bob"], ["bob"], [], []]),
    ],
)
def test_a_user_is_updated_while_enough_windows_follow(windows_after: int, expected: list[list[str]]) -> None:
    plan = RoundsPlan(4, ["refine"], windows_after=windows_after)
    loop, windows = loop_of(ScriptedEngine()), windows_of(ann=3, bob=5)
    assert updated(walk(loop, plan, windows)) == expected
    planned = [stage.rows for stage in loop.planned(plan, windows) if stage.kind == "write"]
    assert planned == [len(users) for users in expected]


def test_each_method_goes_its_own_way_from_the_first_persona() -> None:
    methods = ["refine", "incremental_update"]
    windows, loop = windows_of(ann=5), loop_of(ScriptedEngine())
    first = carried(loop.initialise(windows))[0]
    rounds = [one.personas.to_pylist() for one in walk(loop, RoundsPlan(3, methods), windows)]
    parents = {method: first["id"] for method in methods}
    for rows in rounds:
        assert {row["method"]: row["parent"] for row in rows} == parents
        parents = {row["method"]: row["id"] for row in rows}
        assert len(set(parents.values())) == 2


def test_an_update_reads_the_text_of_its_own_method() -> None:
    def reply(prompt: Prompt, sample: int) -> str:
        return "likes refined coves" if "predicted" in prompt.user else "likes new coves"

    policy = ScriptedEngine(reply=reply)
    list(walk(loop_of(policy), RoundsPlan(2, ["refine", "incremental_update"]), windows_of(ann=5)))
    [refine, incremental] = sorted(prompts_with(policy, "ann w2"), key=lambda text: "predicted" not in text)
    assert "likes refined coves" in refine and "likes new coves" not in refine
    assert "likes new coves" in incremental and "likes refined coves" not in incremental


def test_roles_choose_the_windows_that_are_predicted() -> None:
    plan = RoundsPlan(2, ["refine"], roles=("future", "current", "previous"), windows_after=0)
    rounds = walk(loop_of(ScriptedEngine()), plan, windows_of(ann=3))
    assert [one.predictions["k"].to_pylist() for one in rounds] == [[2, 1, 0], [2, 1]], "ann has no W_3"


def test_windows_that_a_user_lacks_are_not_asked_for() -> None:
    windows = windows_of(ann=3, bob=1)
    ann, bob = ({"id": key[1], "user": key[1], "domain": key[0], "text": ""} for key in (ANN, BOB))
    asked = asked_for([(ann, [0, 2, 3]), (bob, [1, 2])], windows)
    assert asked == [(ann, {0: windows[ANN][0], 2: windows[ANN][2]})]


class TopCalibrator:
    """Calibrates every prediction to the top of the scale."""

    def calibrate(self, table: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
        rows = [row | {"points": [5.0] * len(row["points"])} for row in table.to_pylist()]
        return pa.Table.from_pylist(rows, schema=PREDICTION)


POINTS = {("ann", 1): 1, ("ann", 2): 2, ("bob", 1): 3}
"""What is predicted, by user and window; other windows cannot be predicted."""


def predict(prompt: Prompt, continuation: str, labels: Sequence[str]) -> list[float]:
    key = "ann" if "ann" in continuation else "bob", int(continuation.split(" w")[1][0])
    if key not in POINTS:
        raise ScriptedFailure("no log-probabilities")
    return [0.0 if label == str(POINTS[key]) else -30.0 for label in labels]


def test_an_update_is_shown_what_the_round_before_predicted() -> None:
    policy = ScriptedEngine()
    list(walk(loop_of(policy, ScriptedEngine(scorer=predict)), RoundsPlan(2, ["refine"]), windows_of(ann=4, bob=4)))
    for user, k, shown in (("ann", 1, "1"), ("ann", 2, "2"), ("bob", 1, "3"), ("bob", 2, "unknown")):
        [prompt] = prompts_with(policy, f"{user} w{k}")
        assert prompt.count(f"predicted {shown}") == 3, "two ratings, and their middle"


def test_an_update_is_shown_calibrated_predictions() -> None:
    policy = ScriptedEngine()
    windows: Windows = windows_of(ann=4)
    list(walk(loop_of(policy, ScriptedEngine(scorer=predict)), RoundsPlan(2, ["refine"]), windows, TopCalibrator()))
    for k in (1, 2):
        [prompt] = prompts_with(policy, f"ann w{k}")
        assert prompt.count("predicted 5") == 3


def test_first_personas_are_sorted_and_read_the_first_window_alone() -> None:
    policy = ScriptedEngine()
    keys: list[Key] = [("stars", "cyd"), BOB, ("food", "dan"), ANN]
    windows = {key: [window(key[1], k) for k in range(2)] for key in keys}
    rows = loop_of(policy).initialise(windows).to_pylist()
    assert [(row["domain"], row["user"], row["k"]) for row in rows] == [(*key, 0) for key in sorted(keys)]
    for _, user in keys:
        assert len(prompts_with(policy, f"{user} w0")) == 1 and prompts_with(policy, f"{user} w1") == []
