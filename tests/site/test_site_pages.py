"""The pages in Chromium: nothing is asked for, axe finds nothing, nothing is wider than a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from site_cases import ROOT

pytestmark = pytest.mark.chromium

NAMES = sorted(str(path.relative_to(ROOT / "docs").with_suffix("")) for path in (ROOT / "docs").rglob("*.md"))
AXE = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
    # Else axe fetches style sheets again, which a page on a disk may not.
    "preload": False,
}
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


class Shown:
    """A page in a context, and what it has asked for or complained of."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.page: Page = context.new_page()
        self.trouble, self.asked = list[str](), list[str]()
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("console", lambda said: self.trouble.append(said.text))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def check(self) -> None:
        """Nothing is wrong with it."""
        found = Axe().run(self.page, options=AXE).response["violations"]
        assert [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found] == []
        wide, inner = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner
        assert self.trouble == []
        assert [url for url in self.asked if not url.startswith(("file:", "data:"))] == []
        self.page.close()


@pytest.fixture(params=["phone", "dark"])
def context(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[BrowserContext]:
    phone = request.param == "phone"
    opened = chromium.new_context(
        viewport=PHONE if phone else WIDE, color_scheme="light" if phone else "dark", offline=True
    )
    yield opened
    opened.close()


@pytest.mark.parametrize("name", ["index", "method", "results", "reference/settings"])
def test_pages_of_each_kind_by_day_on_a_phone_and_by_night(site: Path, context: BrowserContext, name: str) -> None:
    Shown(context, site / f"{name}.html").check()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("index", "method", "results")])
def test_every_other_page(site: Path, chromium: Browser, name: str) -> None:
    context = chromium.new_context(viewport=WIDE, color_scheme="light", offline=True)
    Shown(context, site / f"{name}.html").check()
    context.close()


def test_a_search_finds_a_setting_offline(site: Path, chromium: Browser) -> None:
    context = chromium.new_context(viewport=WIDE, offline=True)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    page.get_by_label("Search").fill("calibration_users")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    assert "reference/settings.html" in "".join(
        link.get_attribute("href") or "" for link in page.locator("#search-results li a").all()
    )
    context.close()


def test_formulas_have_a_size_and_can_be_scrolled_by_keyboard(site: Path, chromium: Browser) -> None:
    context = chromium.new_context(viewport=PHONE, offline=True)
    page = context.new_page()
    page.goto((site / "method.html").as_uri())
    page.wait_for_load_state("load")
    boxes = page.eval_on_selector_all("math", "all => all.map(one => one.getBoundingClientRect().height)")
    assert boxes and min(boxes) > 10
    reached = page.eval_on_selector_all(
        ".formula, pre, .table-wrapper", "all => all.map(one => [one.scrollWidth > one.clientWidth, one.tabIndex])"
    )
    assert any(wide for wide, _ in reached) and all(index == 0 for wide, index in reached if wide)
    context.close()
