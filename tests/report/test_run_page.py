"""The page of a run, clicked through in headless Chromium: everything works, is readable, and nothing leaves it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from report_cases import METHODS, SCRIPT

from deeper.evaluation.methods import GROUPS, Group
from deeper.evaluation.runs.load_run import load_run
from deeper.report.overview import Overview
from deeper.report.write_report import write_report

pytestmark = pytest.mark.chromium

WIDE, PHONE = (1280, 900), (390, 844)
AXE_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}
OUTSIDE = {"exclude": [["svg > *"]]}
"""A picture has one label; its parts have no labels to check."""
RADIOS = "#steps input"
CELLS = "all => all.map(row => [...row.cells].map(cell => cell.textContent))"
DRAWN = "all => all.map(one => [one.dataset.kind, one.querySelector('svg') !== null])"
ACTIVE = "() => { const one = document.activeElement; return one.id || one.name || one.tagName; }"


class Opened:
    """A page, with its requests, errors and console messages."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.page, self.errors, self.requests = context.new_page(), list[str](), list[str]()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")
        expect(self.page.locator("#user-view h3").first).to_be_visible()


@pytest.fixture(scope="module")
def path(run: Path) -> Path:
    return write_report(run)


@pytest.fixture
def opened(chromium: Browser, path: Path) -> Iterator[Opened]:
    context = chromium.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, offline=True)
    found = Opened(context, path)
    yield found
    assert found.errors == []
    assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []
    assert found.page.evaluate("'hacked' in window") is False
    context.close()


def choose(page: Page, user: str, domain: str, method: str, t: int) -> None:
    page.select_option("#domain", domain)
    page.select_option("#method", method)
    values = page.eval_on_selector_all("#user option", "all => all.map(one => [one.value, one.textContent])")
    [value] = [value for value, text in values if text.split(maxsplit=1)[-1] == user or text == user]
    page.select_option("#user", value)
    page.locator(RADIOS).nth(t).check()
    expect(page.locator("#status")).to_have_text(f"{user}, round {t}")


def personas(run: Path) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    rows = pq.read_table(run / "personas.parquet").to_pylist()
    return {(row["domain"], row["user"], row["method"], row["k"]): row for row in rows if row["stage"] == "final"}


def test_every_control_is_clicked_and_every_chart_is_drawn(opened: Opened, run: Path) -> None:
    page = opened.page
    for link in page.locator("nav a").all():
        link.click()
    for summary in page.locator("summary").all()[:2]:
        summary.click()
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    page.wait_for_timeout(300)
    kinds = page.eval_on_selector_all("figure[data-kind]", DRAWN)
    assert {kind for kind, _ in kinds} == {"rounds", "intervals", "bars"} and all(drawn for _, drawn in kinds)
    boxes = page.locator("#methods input")
    assert boxes.count() == len(METHODS)
    front = page.locator("figure[data-kind=rounds] svg").first
    drawn = set(Overview(load_run(run).results).future("mean"))
    for name, chosen in (
        ("all", METHODS),
        ("none", ()),
        ("personas", {*METHODS} & {*GROUPS[Group.PERSONAS], "user_median"}),
    ):
        page.get_by_role("button", name=name, exact=True).click()
        assert page.locator("#methods input:checked").count() == len(chosen)
        expect(front.locator("g[font-weight='500'] text")).to_have_count(len(drawn & {*chosen}))
    page.locator("#methods input[value=user_histogram]").check()
    expect(front.locator("g[font-weight='500'] text")).to_have_count(len(drawn & {*chosen, "user_histogram"}))

    methods = page.eval_on_selector_all("#method option", "all => all.map(one => one.value)")
    assert set(methods) == set(METHODS) - {"user_median", "user_histogram"}
    for method in methods:
        page.select_option("#method", method)
        page.select_option("#beside", methods[0])
        for t in range(4):
            page.locator(RADIOS).nth(t).check()
            expect(page.locator("#user-view .side")).to_have_count(1 if method == methods[0] else 2)
            expect(page.locator("#user-view .side h3").first).to_have_text(f"{method.replace('_', ' ')}, round {t}")
    page.locator("#diff").uncheck()
    expect(page.locator("#user-view ins, #user-view del")).to_have_count(0)


@pytest.mark.parametrize("method", ["refine", "slide_regeneration", "hierarchical_merge"])
def test_texts_changes_and_numbers_are_those_of_the_tables(opened: Opened, run: Path, method: str) -> None:
    page, files, texts = opened.page, load_run(run), personas(run)
    errors = {
        (e["domain"], e["user"], e["round"]): e["mae"]
        for e in files.errors.to_pylist()
        if e["method"] == method and e["role"] == "future"
    }
    predictions = {(row["persona_id"], row["k"]): row for row in files.predictions.to_pylist()}
    windows = {(row["domain"], row["user"], row["k"]): row["items"] for row in files.windows.to_pylist()}
    compared = changed = 0
    chosen = sorted({key[:2] for key in texts})[::4]
    for domain, user in chosen:
        for t in (0, 2):
            key = (domain, user, method if t else "initialise", t)
            choose(page, user, domain, method, t)
            after, old = texts[key], texts.get((domain, user, method if t > 1 else "initialise", t - 1))
            shown = page.locator("#user-view .persona").first
            parts = shown.evaluate("p => [...p.childNodes].map(n => [n.nodeName, n.textContent])")
            assert "".join(text for kind, text in parts if kind != "DEL") == after["text"]
            if old is not None:
                assert "".join(text for kind, text in parts if kind != "INS") == old["text"]
                changed += any(kind == "INS" for kind, _ in parts)
            side = page.locator("#user-view .side").first.inner_text()
            assert ("The model gave no text" in side) == bool(after["failure"])
            if (domain, user, t) in errors:
                assert f"Error (MAE): {errors[domain, user, t]:.3f}" in side
                table = page.locator("#user-view .window:not(.plain)").first
                rows = table.locator("tbody tr").evaluate_all(
                    "all => all.map(r => [...r.cells].map(c => c.textContent))"
                )
                points = predictions[after["id"], t + 1]["points"]
                rated = files.domains[domain].is_rated(np.array([i["rating"] for i in windows[domain, user, t + 1]]))
                for cells, item, point, is_rated in zip(
                    rows, windows[domain, user, t + 1], points, rated.tolist(), strict=True
                ):
                    assert cells[0] == item["title"]
                    assert float(cells[2]) == pytest.approx(point, abs=1e-3)
                    assert cells[3] == "–" if not is_rated else float(cells[3]) == pytest.approx(item["rating"])
                    compared += 1
    assert compared > 30 and changed > 0


def test_discrepancies_are_those_of_the_previous_persona(opened: Opened, run: Path) -> None:
    page, files, texts = opened.page, load_run(run), personas(run)
    predictions = {(row["persona_id"], row["k"]): row for row in files.predictions.to_pylist()}
    windows = {(row["domain"], row["user"], row["k"]): row["items"] for row in files.windows.to_pylist()}
    found = 0
    for (domain, user), _ in {key[:2]: None for key in texts if key[0] == "capes"}.items():
        choose(page, user, domain, "refine", 1)
        made = predictions[texts[domain, user, "initialise", 0]["id"], 1]
        side = page.locator("#user-view .side").first
        if made["failure"]:
            assert f"No prediction of W1 from the previous persona: {made['failure']}" in side.inner_text()
            continue
        rounded = files.domains[domain].scale.round(np.array(made["points"]))
        items = windows[domain, user, 1]
        expected = {
            item["title"]: round(point - item["rating"], 3)
            for item, point in zip(items, rounded.tolist(), strict=True)
            if abs(point - item["rating"]) > 1e-6
        }
        rows = side.locator(".window.plain tbody tr").evaluate_all(
            "all => all.map(r => [...r.cells].map(c => c.textContent))"
        )
        assert {cells[0]: float(cells[1]) - float(cells[2]) for cells in rows} == pytest.approx(expected, abs=1e-4)
        sizes = [float(cells[3].split()[0]) for cells in rows]
        assert sizes == sorted(sizes, reverse=True)
        found += len(rows)
    assert found > 20


def test_users_are_filtered_and_ordered(opened: Opened, run: Path) -> None:
    page = opened.page

    def changes() -> list[float]:
        texts = page.eval_on_selector_all("#user option", "all => all.map(one => one.textContent)")
        signs = {"−": -1, "+": 1, "±": 1}
        return [signs[text[0]] * float(text[1:].split()[0]) for text in texts if text[0] in signs]

    total = page.locator("#user option").count()
    page.select_option("#order", "improved")
    improved = changes()
    page.select_option("#order", "worsened")
    worsened = changes()
    assert improved == sorted(improved) and worsened == sorted(worsened, reverse=True)
    assert improved and worsened and all(c <= 0 for c in improved) and all(c >= 0 for c in worsened)
    assert len(improved) + len(worsened) < total
    page.select_option("#order", "all")
    page.fill("#find", "</SCRIPT><img")
    assert all("</script>" in text for text in page.locator("#user option").all_inner_texts())
    expect(page.locator("#user-view h3").first).to_have_text(f"{SCRIPT}-1")
    page.fill("#find", "nobody")
    expect(page.locator("#user-view")).to_contain_text("No user matches")
    page.fill("#find", "")
    first = page.locator("#user-view h3").first.inner_text()
    page.click("#next")
    expect(page.locator("#user-view h3").first).not_to_have_text(first)
    page.click("#previous")
    expect(page.locator("#user-view h3").first).to_have_text(first)
    expect(page.locator("#previous")).to_be_disabled()


def test_the_keyboard_reaches_everything(opened: Opened) -> None:
    page = opened.page
    reached = set[str]()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(ACTIVE))
        if "next" in reached:
            break
    assert {"A", "method", "beside", "round", "diff", "domain", "order", "find", "user", "next"} <= reached
    page.focus(f"{RADIOS} >> nth=0")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#user-view .side h3").first).to_contain_text("round 1")
    page.focus("#user")
    first = page.locator("#user-view h3").first.inner_text()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#user-view h3").first).not_to_have_text(first)


def test_failures_and_searches_are_shown(opened: Opened, run: Path) -> None:
    page = opened.page
    failed = [key for key, row in personas(run).items() if row["failure"] and key[2] == "slide_regeneration"]
    domain, user, method, t = failed[0]
    choose(page, user, domain, method, t)
    expect(page.locator("#user-view .side")).to_contain_text("The model gave no text")
    unread = {row["persona_id"] for row in pq.read_table(run / "predictions.parquet").to_pylist() if row["failure"]}
    domain, user, _, t = next(key for key, row in personas(run).items() if row["id"] in unread and key[2] == "refine")
    choose(page, user, domain, "refine", t)
    expect(page.locator("#user-view .side")).to_contain_text("There is no prediction")
    searched = pq.read_table(run / "search.parquet").to_pylist()
    one = next(row for row in searched if row["chosen"] and row["method"] == "refine")
    choose(page, one["user"], one["domain"], "refine", one["k"])
    expect(page.locator("#user-view .side")).to_contain_text(f"The best of 2 candidates, by {one['gain']:.3f}.")


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_axe_finds_no_problem(chromium: Browser, path: Path, size: tuple[int, int], scheme: Any) -> None:
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, offline=True, bypass_csp=True
    )
    page = Opened(context, path).page
    page.select_option("#beside", "slide_regeneration")
    page.locator(RADIOS).nth(2).check()
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    found = Axe().run(page, context=OUTSIDE, options=AXE_RULES).response["violations"]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], "nothing hangs over the edge"
    context.close()


def test_the_security_policy_stops_requests_and_scripts(opened: Opened) -> None:
    page = opened.page
    script = """async () => {
        const broken = [];
        document.addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
        const answer = await fetch("http://127.0.0.1:9/").then(() => "let out", () => "kept in");
        document.body.append(Object.assign(document.createElement("img"), { src: "http://127.0.0.1:9/x.png" }));
        document.body.append(Object.assign(document.createElement("script"), { textContent: "window.hacked = 1" }));
        await new Promise((done) => setTimeout(done, 200));
        return [answer, broken.sort()];
    }"""
    assert page.evaluate(script) == ["kept in", ["connect-src", "img-src", "script-src-elem"]]
    assert all(re.search("Content Security Policy", text) for text in opened.errors) and opened.errors
    # The picture counts as requested, although the policy stopped the request.
    assert opened.requests[1:] == ["http://127.0.0.1:9/x.png"]
    opened.errors.clear()
    opened.requests.clear()
