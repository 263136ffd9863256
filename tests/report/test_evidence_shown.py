"""The evidence behind a persona in the report is what its prompt has said, line by line."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from report_cases import CATEGORIES, SCRIPT

from deeper.domains import Domain, Scale
from deeper.evaluation.runs.load_run import load_run
from deeper.persona.prompts.templates import Evidence, load_prompts
from deeper.persona.update_input import UpdateInput, initial_prompt
from deeper.persona.updaters import SHORT_TERM, UPDATERS
from deeper.report.evidence_shown import evidence_shown
from deeper.report.pages.persona_browser import browser_data
from deeper.report.write_report import write_report

COVES = Domain("coves", "Coves", "cove", Scale(1, 5, 1), unrated=(0.0,))


def window(k: int) -> list[dict[str, Any]]:
    """Rocks are loved, sands are not, and one cove has no rating."""
    kinds = ["Rock"] * 4 + ["Sand"] * 4 + ["Moss"]
    ratings = [5, 5, 4, 5, 1, 2, 1, 2 + k % 2, 0]
    return [
        {"item": f"{k} {i}", "title": f"{kind} {k} {i}", "categories": [kind], "rating": float(rating), "time": None}
        for i, (kind, rating) in enumerate(zip(kinds, ratings, strict=True))
    ]


def told(method: str, seen: UpdateInput) -> list[str]:
    """The lines that only the prompt with evidence has."""

    def lines(evidence: Evidence) -> list[str]:
        prompts = load_prompts("", evidence)
        if method in SHORT_TERM | {"initialise"}:
            return initial_prompt(prompts, seen.domain, seen.windows[-1:], 90).user.splitlines()
        return UPDATERS[method](prompts, seen).user.splitlines()

    without = lines("none")
    return [line for line in lines("kinds") if line not in without]


@pytest.mark.parametrize("method", ["initialise", *UPDATERS])
@pytest.mark.parametrize("predicted", [[3.0] * 9, None])
@pytest.mark.parametrize("k", [1, 4])
def test_the_lines_are_those_of_the_prompt(method: str, predicted: list[float] | None, k: int) -> None:
    windows = [window(j) for j in range(k + 1 if method != "initialise" else 1)]
    seen = UpdateInput(COVES, "Likes rocks.", windows, predicted, "", 90)
    found = evidence_shown(method, windows, predicted, COVES)
    assert found == told(method, seen)
    is_compared = method == "refine" and predicted is not None
    assert any("Rock (" in line and ("too low" if is_compared else "above the rest") in line for line in found)


def test_nothing_is_said_of_the_prompt_of_an_updater_of_the_users_own() -> None:
    assert evidence_shown("two_windows", [window(0), window(1)], None, COVES) == []


def blocks(run: Path) -> list[dict[str, Any]]:
    """The users of the persona browser."""
    found: list[dict[str, Any]] = []
    for part in browser_data(load_run(run)):
        name, content = re.fullmatch(r'<script type="text/plain" id="([^"]+)">(.*)</script>', part).groups()  # type: ignore[union-attr]
        value = json.loads(gzip.decompress(base64.b64decode(content)))
        found += value if name != "index" else []
    return found


def test_the_page_holds_what_the_policy_was_told(with_evidence: tuple[Path, list[str]]) -> None:
    run, asked = with_evidence
    shown = {method: 0 for method in ("initialise", *UPDATERS)}
    for user in blocks(run):
        for row in user["personas"]:
            if row["method"] not in shown or row["stage"] != "final":
                assert row["evidence"] == []
                continue
            title = user["windows"][row["k"]][0][0]
            quoted = json.dumps(title[:40], ensure_ascii=False)[:-1]
            own = [prompt for prompt in asked if quoted in prompt and "\n".join(row["evidence"]) in prompt]
            assert row["evidence"] and own, (row["method"], row["k"], row["evidence"])
            shown[row["method"]] += any(CATEGORIES[0] in line for line in row["evidence"])
            assert not any(SCRIPT in line for line in row["evidence"]), "no kind is named so"
    assert all(shown.values()), shown


def test_a_run_whose_prompts_say_nothing_shows_nothing(run: Path) -> None:
    assert {len(row["evidence"]) for user in blocks(run) for row in user["personas"]} == {0}


@pytest.mark.chromium
def test_it_stands_below_the_change_as_text(chromium: Browser, with_evidence: tuple[Path, list[str]]) -> None:
    run, _ = with_evidence
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(write_report(run).as_uri())
    page.wait_for_selector("html[data-ready]")
    hostile = 0
    users = blocks(run)
    for i, user in enumerate(users):
        page.select_option("#user", str(i))
        for row in user["personas"]:
            if row["stage"] != "final" or row["method"] not in ("refine", "hierarchical_merge", "described"):
                continue
            page.select_option("#method", row["method"])
            page.locator("#steps input").nth(row["k"]).check()
            side = page.locator("#user-view .side").first
            expect(side.locator("h3")).to_have_text(f"{row['method'].replace('_', ' ')}, round {row['k']}")
            assert side.locator(".evidence li").all_inner_texts() == row["evidence"]
            hostile += any("&lt script" in line for line in row["evidence"])
            if row["method"] == "described":
                assert side.locator(".persona").first.inner_text().endswith(row["text"].split()[-1])
                assert "a persona that rules write" in side.inner_text()
                assert "Why it changed" not in side.inner_text()
    assert hostile > 3
    assert page.evaluate("'hacked' in window") is False
    context.close()
