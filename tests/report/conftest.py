"""Runs to look at, and Chromium to look at them with."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from report_cases import hostile_run

from screenshots import FLAGS


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of two domains whose users, titles and texts are hostile, with failures and searches."""
    return hostile_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless, with an empty user folder."""
    program = shutil.which("chromium")
    if program is None:
        message = "no chromium: apt-get install chromium, to test the pages in it"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
