"""Looking back: versions, word-level changes, discrepancies; corrections by the user."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_cases import COVES, events, rows_of, tracker

from deeper.engine import Prompt
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine
from deeper.errors import UserError
from deeper.measure.word_changes import word_changes
from deeper.tracker import Change

TEXTS = ["Fond of quiet coves, strict.", "Fond of loud coves, strict with sand.", "Fond of loud coves."]


def telling() -> ScriptedEngine:
    """A policy that writes `TEXTS` one after the other, and a predictor that says 4."""
    left = list(TEXTS)

    def reply(prompt: Prompt, sample: int) -> str:
        return left.pop(0)

    return ScriptedEngine(reply=reply, scorer=lambda prompt, title, labels: [-9.0, -9, -9, -0.1, -9])


def test_each_version_stands_with_what_changed_and_why() -> None:
    engine = telling()
    live = tracker(engine)
    live.observe("ann", events(30))
    first, second, third = live.history("ann")
    assert [version.text for version in (first, second, third)] == TEXTS
    assert [(v.number, v.method, v.k, v.failure) for v in (first, second, third)] == [
        (0, "initialise", 0, ""),
        (1, "refine", 1, ""),
        (2, "refine", 2, ""),
    ]
    assert first.changes == (Change("inserted", TEXTS[0]),) and first.error is None
    assert {one.predicted for one in first.discrepancies} == {None}
    assert second.marked == "Fond of [-quiet-] {+loud+} coves, [-strict.-] {+strict with sand.+}"
    assert third.marked == "Fond of loud [-coves, strict with sand.-] {+coves.+}"

    actual = [event["rating"] for event in events(10, first=10)]
    assert [one.actual for one in second.discrepancies] == actual
    assert [one.title for one in second.discrepancies] == [f"Cove {n}" for n in range(10, 20)]
    assert {one.predicted for one in second.discrepancies} == {4.0}
    assert second.error == pytest.approx(np.mean([abs(4 - rating) for rating in actual]))
    assert first.time <= second.time <= third.time and second.persona_id != third.persona_id
    refining = [call.prompt.user for call in engine.asked if isinstance(call, GenerateCall)][1]
    for rating, title in {(one.actual, one.title) for one in second.discrepancies}:
        [line] = [line for line in refining.splitlines() if f'"{title}"' in line]
        assert line.startswith(f"actual {rating:g}, predicted 4")


@settings(max_examples=40)
@given(st.text("ab .,\n", max_size=30), st.text("ab .,\n", max_size=30))
def test_changes_give_both_texts_back(old: str, new: str) -> None:
    changes = word_changes(old, new)
    before = [change.text for change in changes if change.kind != "inserted"]
    after = [change.text for change in changes if change.kind != "deleted"]
    assert " ".join(before).split() == old.split() and " ".join(after).split() == new.split()
    if old.split() == new.split():
        assert {change.kind for change in changes} <= {"kept"}


def test_a_correction_is_a_version_that_the_next_update_refines() -> None:
    engine = telling()
    live = tracker(engine)
    live.observe("ann", events(12))
    mine = live.correct("ann", " I like\nloud   coves\u200e. ")
    assert (mine.method, mine.text, mine.k, mine.number) == ("user", "I like loud coves.", 0, 1)
    assert mine.marked == "[-Fond of quiet coves, strict.-] {+I like loud coves.+}"
    assert mine.discrepancies == () and mine.error is None and mine.engine == "" and live.persona("ann") == mine.text
    live.observe("ann", events(8, first=12))
    asked = [call for call in engine.asked if isinstance(call, GenerateCall)]
    assert "I like loud coves." in asked[-1].prompt.user and TEXTS[0] not in asked[-1].prompt.user
    first, corrected, refined = live.history("ann")
    assert (corrected.persona_id, refined.k, refined.method) == (mine.persona_id, 1, "refine")
    assert refined.error is not None and len(refined.discrepancies) == 10
    assert live._users["ann"].versions[2]["parent"] == mine.persona_id != first.persona_id


def test_a_correction_that_names_titles_or_ratings_says_so() -> None:
    live = tracker()
    live.observe("ann", [{**event, "title": f"Harbour Light {n}"} for n, event in enumerate(events(10))])
    assert live.correct("ann", "I gave Harbour Light 3 four stars.").leaks == ("3", "Harbour Light 3", "four stars")


@pytest.mark.parametrize(
    ("text", "said"), [("", "is empty"), (" \u200e\n", "is empty"), ("word " * 200, "999 characters; the limit is 720")]
)
def test_a_correction_of_no_use_is_refused(text: str, said: str) -> None:
    live = tracker()
    live.observe("ann", events(10))
    before = live.persona("ann")
    with pytest.raises(UserError, match=said):
        live.correct("ann", text)
    assert live.persona("ann") == before and len(live.history("ann")) == 1


def test_who_is_unknown_is_said() -> None:
    live = tracker()
    live.observe("ann", events(9))
    for call in (live.history, live.behaviour, live.forget, lambda user: live.correct(user, "Kind.")):
        with pytest.raises(UserError, match="the tracker does not know the user 'bob'"):
            call("bob")
    with pytest.raises(UserError, match="no persona to correct yet"):
        live.correct("ann", "Kind.")
    assert live.history("ann") == []


def test_predictions_are_distributions_with_their_median() -> None:
    live = tracker()
    live.observe("ann", events(10))
    found = live.predict("ann", ["Cove 1", "&quot;Salt&quot; ", "Cove 1"])
    assert found.titles == ("Cove 1", '"Salt"', "Cove 1") and found.failure == "" and found.calibrated == "off"
    assert found.distribution.shape == (3, 5) and found.distribution.sum(axis=1) == pytest.approx(np.ones(3))
    assert found.values.tolist() == [1, 2, 3, 4, 5]
    assert found.points[0] == found.points[2] and (found.distribution[0] == found.distribution[2]).all()
    assert len(live.history("ann")) == 1 and len(live.behaviour("ann")) == 10, "predicting changes nothing"


def test_someone_without_a_persona_gets_what_the_model_predicts_of_anyone() -> None:
    engine = ScriptedEngine()
    live = tracker(engine)
    live.observe("ann", events(3))
    found = live.predict_all({"ann": ["Cove 7"], "stranger": ["Cove 7"]})
    assert found["ann"].points == found["stranger"].points
    assert "Nothing is known." in engine.asked[-1].prompt.user
    assert live.users == ["ann"]
    with pytest.raises(UserError, match="a user is given twice"):
        live.predict_all({7: ["Cove 7"], "7": ["Cove 8"]})


@pytest.mark.parametrize("titles", [[], "Cove 7", [""], ["Cove 7", None]])
def test_titles_that_cannot_be_predicted_are_refused(titles: Any) -> None:
    with pytest.raises(UserError, match="title"):
        tracker().predict("ann", titles)


def test_predictions_are_calibrated_from_the_call_on() -> None:
    live = tracker()
    with pytest.raises(UserError, match="no user has two windows"):
        live.calibrate()
    live.observe_all(rows_of({f"u{i}": events(20, user=f"u{i}") for i in range(6)}))
    before = live.history("u1")
    raw = live.predict("u1", ["Cove 1"])
    live.calibrate()
    after = live.predict("u1", ["Cove 1"])
    assert (raw.calibrated, after.calibrated) == ("off", "domain")
    counts = np.bincount([event["rating"] for event in events(10, first=10)], minlength=6)[1:] * 6 + 0.5
    # The scripted predictor knows nothing: its map is near the distribution of the ratings themselves.
    found = live._models.calibration.domains[COVES.id]
    assert found.base == pytest.approx(counts / counts.sum()) and found.ratings == 60
    assert live.history("u1") == before, "what was shown stays as it was shown"
    live.observe("u1", events(10, first=20))
    assert live.history("u1")[2].error is not None
    assert [row["calibrated"] for row in live._users["u1"].predictions.values()] == ["off", "domain"]
