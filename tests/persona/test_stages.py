from typing import Any

import pyarrow as pa
import pytest
from persona_cases import DOMAINS, items

from deeper.engine import Prompt
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure
from deeper.persona.describer.describe import describe
from deeper.persona.describer.recipe import words_within
from deeper.persona.describer.updated_facts import facts_after_updates
from deeper.persona.evidence.facts import facts_of
from deeper.persona.prompts.item_lines import rating_lines
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PERSONA
from deeper.persona.stages import DESCRIBED_SEED, controls, initialise, update
from deeper.persona.update_input import UPDATE_INPUT
from deeper.persona.updaters import MODULES
from deeper.persona.write import Writer, persona_id

PROMPTS = load_prompts()


def writer(engine: ScriptedEngine, seed: int = 3) -> Writer:
    return Writer(engine, PROMPTS, 60, seed)


def window(user: str, k: int, size: int = 3) -> list[dict[str, Any]]:
    return items(
        [f"Silent Cove {user} {k} part {chr(97 + i)}" for i in range(size)], [1 + (k + i) % 5 for i in range(size)]
    )


def row(user: str, method: str = "initialise", k: int = 0, **values: Any) -> dict[str, Any]:
    return {
        "user": user,
        "domain": "stars",
        "method": method,
        "k": k,
        "parent": f"parent-of-{user}" if k else None,
        "persona": f"old text of {user}" if k else "",
        "windows": [window(user, j) for j in range(k + 1)],
        "predicted": [3.0, 3.0, 3.0] if k else None,
        **values,
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=UPDATE_INPUT)


def prompts_of(engine: ScriptedEngine) -> list[Prompt]:
    return [call.prompt for call in engine.asked if isinstance(call, GenerateCall)]


def test_initialise_writes_one_persona_a_row_from_its_first_window_alone() -> None:
    engine = ScriptedEngine()
    rows = [row("ann"), row("bob"), row("cyd", windows=[window("cyd", 0), window("cyd", 1)])]
    out = initialise(table(*rows), writer(engine), DOMAINS)
    assert out.schema == PERSONA
    assert [(r["user"], r["method"], r["k"], r["stage"], r["parent"]) for r in out.to_pylist()] == [
        (user, "initialise", 0, "final", None) for user in ("ann", "bob", "cyd")
    ]
    for prompt, user in zip(prompts_of(engine), ("ann", "bob", "cyd"), strict=True):
        assert prompt.user.count("Silent Cove") == prompt.user.count(f"Silent Cove {user} 0") == 3
    for r in out.to_pylist():
        assert (r["engine"], r["prompt_version"], r["seed"]) == (engine.fingerprint, PROMPTS.version, 3)
        assert (r["leaks"], r["failure"]) == ([], "")
        assert len(r["text"].split()) == r["tokens"] > 0
        assert r["id"] == persona_id(r)


def test_identical_prompts_are_sent_once_and_answer_all_their_rows() -> None:
    engine = ScriptedEngine()
    same = [row(user, windows=[window("x", 0)]) for user in ("ann", "bob", "cyd")]
    out = initialise(table(*same), writer(engine), DOMAINS).to_pylist()
    assert len(engine.asked) == 1
    assert len({r["text"] for r in out}) == 1
    assert len({r["id"] for r in out}) == 3


def test_ids_are_hashes_of_what_decides_a_persona() -> None:
    first = initialise(table(row("ann"), row("bob")), writer(ScriptedEngine()), DOMAINS)
    assert first == initialise(table(row("ann"), row("bob")), writer(ScriptedEngine()), DOMAINS)
    base = first.to_pylist()[0]
    for field in ("user", "domain", "method", "k", "stage", "text", "parent", "engine", "prompt_version", "seed"):
        assert persona_id({**base, field: "other"}) != base["id"]
    for field in ("tokens", "leaks", "failure", "id"):
        assert persona_id({**base, field: "other"}) == base["id"]


def test_texts_are_one_line() -> None:
    [out] = initialise(
        table(row("ann")), writer(ScriptedEngine(texts=[" Likes\n\nquiet \t coves. "])), DOMAINS
    ).to_pylist()
    assert out["text"] == "Likes quiet coves."


def test_a_leak_is_retried_once_warm_and_the_text_with_fewer_leaks_kept() -> None:
    answers = {
        # greedy, then warm
        "ann": ("Gives 4.5 and 5 to coves.", "Likes coves."),
        "bob": ("Gives 4.5.", "Gives 4.5 and five stars."),
        "cyd": ("Likes boats.", "never asked"),
    }
    calls: list[str] = []

    def reply(prompt: Prompt, sample: int) -> str:
        user = next(user for user in answers if f"Cove {user}" in prompt.user)
        calls.append(user)
        return answers[user][calls.count(user) - 1]

    engine = ScriptedEngine(reply=reply)
    out = initialise(table(row("ann"), row("bob"), row("cyd")), writer(engine), DOMAINS).to_pylist()
    assert calls == ["ann", "bob", "cyd", "ann", "bob"]
    assert [(r["text"], r["leaks"]) for r in out] == [
        ("Likes coves.", []),
        ("Gives 4.5.", ["4.5"]),
        ("Likes boats.", []),
    ]
    temperatures = [call.sampling.temperature for call in engine.asked if isinstance(call, GenerateCall)]
    assert temperatures == [0, 0, 0, *[RECIPE.leak_retry_temperature] * 2]
    assert {call.sampling.seed for call in engine.asked if isinstance(call, GenerateCall)} == {3}


def test_titles_of_earlier_windows_leak_too() -> None:
    text = "Loves silent cove ann 0 part a."
    engine = ScriptedEngine(texts=[text, text])
    [out] = update(table(row("ann", "incremental_update", 2)), writer(engine), DOMAINS, MODULES).to_pylist()
    assert out["leaks"] == ["0", "Silent Cove ann 0 part a"]


@pytest.mark.parametrize("second", ["", "Gives 5 and 4."])
def test_a_retry_that_is_no_better_changes_nothing(second: str) -> None:
    engine = ScriptedEngine(texts=["Gives 5.", second or ScriptedFailure("gone")])
    [out] = initialise(table(row("ann")), writer(engine), DOMAINS).to_pylist()
    assert (out["text"], out["leaks"], out["failure"]) == ("Gives 5.", ["5"], "")


@pytest.mark.parametrize(
    ("answer", "failure"), [(ScriptedFailure("the engine sulks"), "the engine sulks"), (" \n", "empty")]
)
def test_without_an_answer_the_older_text_stays_and_the_failure_is_said(
    answer: str | ScriptedFailure, failure: str
) -> None:
    engine = ScriptedEngine(texts=["Likes new coves.", answer])
    rows = table(row("ann", "refine", 1), row("bob", "refine", 1, persona="Gives 5."))
    [ann, bob] = update(rows, writer(engine), DOMAINS, MODULES).to_pylist()
    assert (ann["text"], ann["failure"]) == ("Likes new coves.", "")
    assert bob["text"] == "Gives 5."
    assert failure in bob["failure"]
    assert bob["leaks"] == ["5"], "the text that was kept leaks, and is counted"
    assert bob["tokens"] == 0
    assert len(engine.asked) == 2, "a leak of the kept text is nothing that a retry could mend"


def test_a_first_persona_that_fails_is_empty_and_visible() -> None:
    [out] = initialise(table(row("ann")), writer(ScriptedEngine(texts=[ScriptedFailure("no")])), DOMAINS).to_pylist()
    assert (out["text"], out["failure"]) == ("", "no")


def test_a_merge_reads_the_short_term_persona_that_stands_in_the_output() -> None:
    def reply(prompt: Prompt, sample: int) -> str:
        return "Lately fond of reefs." if "Silent Cove" in prompt.user else "Merged."

    engine = ScriptedEngine(reply=reply)
    rows = table(row("ann", "hierarchical_merge", 2), row("ann", "slide_regeneration", 2), row("ann", "refine", 2))
    out = update(rows, writer(engine), DOMAINS, MODULES).to_pylist()
    assert [(r["method"], r["stage"], r["text"]) for r in out] == [
        ("hierarchical_merge", "short_term", "Lately fond of reefs."),
        ("slide_regeneration", "final", "Lately fond of reefs."),
        ("refine", "final", "Lately fond of reefs."),
        ("hierarchical_merge", "final", "Merged."),
    ]
    assert {r["parent"] for r in out} == {"parent-of-ann"}
    assert len({r["id"] for r in out}) == 4
    asked = prompts_of(engine)
    assert len(asked) == 3, "the short-term prompt is that of slide_regeneration, and sent once"
    merge = asked[-1].user
    assert "Lately fond of reefs." in merge
    assert "old text of ann" in merge
    assert "Silent Cove" not in merge
    short_term = asked[0].user
    assert short_term.count("Silent Cove") == short_term.count("Silent Cove ann 2") == 3


def test_an_update_of_nobody_is_an_empty_table() -> None:
    assert update(table(), writer(ScriptedEngine()), DOMAINS, MODULES) == PERSONA.empty_table()


def test_controls_are_an_empty_text_and_the_last_ten_ratings() -> None:
    windows = [window("ann", k, size=8) for k in range(3)]
    rows = [row("ann", "no_persona", 0), row("ann", "raw_history", 2, windows=windows, parent=None, persona="")]
    [empty, history] = controls(table(*rows), DOMAINS, 60).to_pylist()
    assert (empty["text"], empty["k"], empty["engine"]) == ("", 0, "")
    last_ten = [item for one in windows for item in one][-10:]
    assert history["text"] == rating_lines(last_ten, DOMAINS[history["domain"]])
    assert (history["k"], history["leaks"], history["parent"]) == (2, [], None)
    assert empty["id"] != history["id"]


def kinds_window(k: int) -> list[dict[str, Any]]:
    """Cairns are rated high and bogs low, and both rise by a step with each window."""
    titles = [f"{kind} of Vale {k} {chr(97 + i)}" for kind in ("Cairn", "Bog") for i in range(4)]
    rated = items(titles, [min(4 + k, 5)] * 4 + [1 + k] * 4)
    return [{**item, "categories": [item["title"].split()[0]]} for item in rated]


def test_the_described_control_is_the_describers_text_of_the_facts_after_each_update() -> None:
    windows = [kinds_window(k) for k in range(3)]
    rows = [row("ann", "described", k, windows=windows[: k + 1], parent=None, persona="") for k in range(3)]
    found = controls(table(*rows), DOMAINS, 90).to_pylist()
    for one, given in zip(found, rows, strict=True):
        known = facts_after_updates(given["windows"], DOMAINS["stars"])
        limit = {"seed": DESCRIBED_SEED, "max_words": words_within(90), "in_order": True}
        assert one["text"] == describe(known, given["windows"], DOMAINS["stars"], **limit)
        assert "Cairn" in one["text"] and "Bog" in one["text"]
        origin = ("described", given["k"], "", "", DESCRIBED_SEED, None, 0)
        assert tuple(one[name] for name in ("method", "k", "engine", "prompt_version", "seed", "parent", "tokens")) == (
            origin
        )
        assert (one["leaks"], one["failure"]) == ([], "")
    assert len({one["id"] for one in found}) == len({one["text"] for one in found}) == 3
    assert facts_after_updates(windows, DOMAINS["stars"]) != facts_of(windows, DOMAINS["stars"]), "not of all at once"


def test_the_described_control_keeps_the_length_limit_in_words() -> None:
    longest: dict[int, int] = {}
    for most in (35, 60, 120):
        rows = [row("ann", "described", windows=[kinds_window(k)]) for k in range(3)]
        texts = [one["text"] for one in controls(table(*rows), DOMAINS, most).to_pylist()]
        longest[most] = max(len(text.split()) for text in texts)
        assert longest[most] <= words_within(most) == most * 3 // 5
    assert longest[35] < longest[60] < longest[120]


def test_leaks_of_the_described_control_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deeper.persona.stages.describe", lambda *_, **__: "Likes Silent Cove ann 0 part a.")
    rows = [row("ann", "described"), row("bob", "described")]
    [own, other] = controls(table(*rows), DOMAINS, 60).to_pylist()
    assert (own["leaks"], other["leaks"]) == (["0", "Silent Cove ann 0 part a"], ["0"])
