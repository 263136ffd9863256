"""A run to report."""

from pathlib import Path

import pytest
from report_cases import hostile_run, run_with_evidence


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose users, titles and texts are hostile, with failures and searches."""
    return hostile_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def with_evidence(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a run with `--evidence kinds`, whose kinds have hostile names, and the prompts of its policy."""
    return run_with_evidence(tmp_path_factory.mktemp("evidence"))
