import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prepare_cases import CASES, Case, Prepared
from rich.console import Console

from deeper.prepare.one_domain import Options, prepare
from deeper.prepare.settings import PrepareSettings
from deeper.prepare.synth.raw_files import write_raw

QUIET = Console(quiet=True)


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic raw files of Amazon Books; not to be changed."""
    folder = tmp_path_factory.mktemp("raw") / "books"
    write_raw("amazon_books", 4_000, folder)
    return folder


@pytest.fixture
def raw(books: Path, tmp_path: Path) -> Path:
    """A copy of them, to be changed."""
    return Path(shutil.copytree(books, tmp_path / "raw"))


@pytest.fixture(scope="session")
def run_prepare() -> Callable[..., dict[str, Any]]:
    """Prepare a domain, quietly; further arguments are settings."""

    def run(
        domain: str, raw: Path, out: Path, options: dict[str, Any] | None = None, **settings: Any
    ) -> dict[str, Any]:
        chosen = Options(**{"key_file": out.with_name(f"{out.name}.key"), **(options or {})})
        return prepare(PrepareSettings(domain=domain, raw=str(raw), **settings), out, chosen, QUIET)

    return run


@pytest.fixture(scope="session", params=CASES, ids=lambda case: f"{case.domain}-{case.raw_format}")
def prepared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, run_prepare: Callable[..., dict[str, Any]]
) -> Prepared:
    """Each case, with bad lines among the good ones."""
    case: Case = request.param
    folder = tmp_path_factory.mktemp(case.raw_format)
    made = write_raw(case.domain, case.ratings, folder / "raw", raw_format=case.raw_format, bad_lines=18)
    truth = json.loads((folder / "raw" / "truth" / "truth.json").read_text("utf-8"))
    assert truth == made.truth
    options = {"max_rejects": 0.01, "published": True}
    return Prepared(
        folder / "raw", truth, folder / "out", run_prepare(case.domain, folder / "raw", folder / "out", options)
    )
