"""The reports of learning and of rewards draw with the same library, in the same look."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from test_learning import report as learnt

from deeper.report.pages import charts, html
from deeper.report.pages.learning import page

pytestmark = pytest.mark.chromium


def test_the_learning_report_draws_its_lines(chromium: Browser, tmp_path: Path) -> None:
    drawn(chromium, tmp_path, page(learnt()), 8)


def test_intervals_without_ends_and_of_one_value_are_drawn(chromium: Browser, tmp_path: Path) -> None:
    rows = [{"name": "coves <i>, mae", "value": 0.0, "ci": [None, None]}, {"name": "mean", "value": None, "ci": [0, 1]}]
    drawn(chromium, tmp_path, html.document("Is it?", ["<h1>Is it?</h1>", charts.intervals("It", rows, (0.0, 0.5))]), 1)


def drawn(chromium: Browser, folder: Path, text: str, pictures: int) -> None:
    path = folder / "page.html"
    path.write_text(text, "utf-8")
    context = chromium.new_context(offline=True, bypass_csp=True)
    shown, trouble = context.new_page(), list[str]()
    shown.on("pageerror", lambda error: trouble.append(str(error)))
    shown.goto(path.as_uri())
    shown.wait_for_selector(".plot svg")
    assert trouble == []
    expect(shown.locator("figure .plot svg[role=img][aria-label]")).to_have_count(pictures)
    assert [one["id"] for one in Axe().run(shown).response["violations"]] == []
    assert trouble == []
    context.close()
