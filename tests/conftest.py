import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The same examples in every run, and no deadline: the machine may be busy.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# The contracts' assertions live outside of test modules.
pytest.register_assert_rewrite(
    "contract", "domain_contract", "executor_contract", "readout_contract", "updater_contract"
)


@pytest.fixture(scope="session")
def gguf_path() -> Path:
    """The small model as a Q8_0 GGUF file."""
    from deeper.engine.openvino.weights import prepare_weights

    return prepare_weights().gguf


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    """Debian's Chromium, headless, with an empty user folder.

    Playwright's event loop runs in this thread as long as the browser is open; no other loop can run here meanwhile.
    """
    program = shutil.which("chromium")
    if program is None:
        message = "no chromium: apt-get install chromium, to test the pages in it"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    from screenshots import FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
