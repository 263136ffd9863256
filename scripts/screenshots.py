"""Take the README's pictures of a report. They show a planted run, so no real ratings.

    python scripts/screenshots.py docs/pictures        # needs Debian's chromium; a minute

Writes errors.png, personas.png, personas-dark.png and personas-phone.png, and error_by_round.png, a figure for print.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from planted_run import planted_run

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""Flags of Chromium that keep it off the network."""
WIDE, PHONE = {"width": 1240, "height": 900}, {"width": 390, "height": 844}


def main() -> None:
    """Make the run, open its page, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium")
    if program is None:
        parser.error("there is no chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = planted_run(Path(folder) / "planted-tastes", users=80)
        shutil.copy(page.parent / "figures" / "error_by_round.png", out / "error_by_round.png")
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for name, size, scheme in (("", WIDE, "light"), ("-dark", WIDE, "dark"), ("-phone", PHONE, "light")):
            context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
            shown = context.new_page()
            shown.goto(page.as_uri())
            shown.wait_for_selector("html[data-ready]")
            _choose(shown, beside=size is WIDE)
            if not name:
                shown.screenshot(path=out / "errors.png", clip=_clip(shown, "header", "#errors figure"), full_page=True)
            shown.screenshot(
                path=out / f"personas{name}.png", clip=_clip(shown, "#personas", "#user-view"), full_page=True
            )
            context.close()
        browser.close()


def _choose(page: Page, beside: bool) -> None:
    """Show the second round of the user who gained most; if `beside`, next to another method."""
    page.add_style_tag(content="nav { position: static !important; }")
    page.select_option("#order", "improved")
    if beside:
        page.select_option("#beside", "slide_regeneration")
    page.locator("#steps input").nth(2).check()
    page.wait_for_timeout(500)


def _clip(page: Page, first: str, last: str) -> dict[str, float]:
    """Return the area from the top of one element to the end of another, over the page's width."""
    place = "name => { const r = document.querySelector(name).getBoundingClientRect();"
    top = page.evaluate(f"{place} return r.top + scrollY; }}", first)
    bottom = page.evaluate(f"{place} return r.bottom + scrollY; }}", last)
    width = page.viewport_size["width"] if page.viewport_size else 0
    return {"x": 0, "y": max(0, top - 10), "width": width, "height": min(bottom - top + 30, 1500)}


if __name__ == "__main__":
    main()
