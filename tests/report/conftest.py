"""A run to report."""

from pathlib import Path

import pytest
from report_cases import hostile_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose users, titles and texts are hostile, with failures and searches."""
    return hostile_run(tmp_path_factory.mktemp("report"))
