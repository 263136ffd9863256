"""The documentation site, built once as `make docs` builds it."""

from pathlib import Path

import pytest
from site_cases import ROOT, Build, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The whole site."""
    return build(ROOT / "docs", tmp_path_factory.mktemp("site") / "docs")


@pytest.fixture(scope="session")
def site(built: Build) -> Path:
    """The folder of the site."""
    assert built.code == 0, built.said
    return built.folder
