"""The table "What the personas hold" on the page and in the terminal, and results that lack it."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from deeper.evaluation.results_schema import Results, SubstanceEntry
from deeper.evaluation.runs.load_run import Run, load_run
from deeper.evaluation.substance.entry import MeanOfUsers
from deeper.report import print_results, substance_rows
from deeper.report.pages.run_page import page
from deeper.report.terminal.summary import summary_lines


def entry(method: str, t: int | None, domain: str = "coves", *, has_text: bool = True) -> SubstanceEntry:
    def mean(value: float) -> MeanOfUsers:
        return MeanOfUsers(value=value, ci=(value - 0.25, value + 0.25), users=9)

    return SubstanceEntry(
        domain=domain,
        method=method,
        round=t,
        names_kind=mean(0.5 if t is None else 0.625) if has_text else None,
        content_words=141.4 if has_text else None,
        later_residuals=mean(0.125 if t is None else 9.0) if has_text else None,
        beyond_level=mean(0.55 if t is None else 9.0),
    )


ENTRIES = [entry(name, t) for name in ("refine", "hierarchical_merge") for t in (0, 1, None)]
ENTRIES += [entry("no_persona", t, has_text=False) for t in (0, 1, None)]


def test_a_row_has_the_last_round_and_all_rounds() -> None:
    rows = substance_rows.rows(ENTRIES, "coves", 1)
    assert rows["refine"] == ["62% (38%..88%)", "141", "+0.12 (-0.12..+0.38)", "0.550 (0.300..0.800)"]
    assert rows["no_persona"] == ["-", "-", "-", "0.550 (0.300..0.800)"]
    assert substance_rows.rows(ENTRIES, "quays", 1) == {}


@pytest.fixture
def found(run: Path) -> Run:
    return load_run(run)


def without(found: Run) -> Run:
    return replace(found, results=Results.model_validate({**found.results.as_json(), "substance": []}))


def printed(results: Results, width: int) -> str:
    stream = io.StringIO()
    print_results(results.as_json(), Console(file=stream, width=width))
    return stream.getvalue()


def test_the_page_shows_each_domain_and_older_results_without_it(found: Run) -> None:
    text = page(found)
    part = text.split('id="substance"')[1].split("</section>")[0]
    domains = {one.domain for one in found.results.substance}
    assert part.count("<table>") == len(domains) == 6
    assert '<a href="#substance">What the personas hold</a>' in text
    assert 'id="substance"' not in page(without(found)) and "#substance" not in page(without(found))


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_shows_it_whole_and_older_results_without_it(found: Run, width: int) -> None:
    text = printed(found.results, width)
    part = text.split("What the personas hold, mean over domains")[1].split("\n\n")[0]
    assert "…" not in part and max(map(len, part.splitlines())) <= width
    shown = {row.split()[0] for row in part.splitlines() if re.match(r" \w+ ", row)}
    assert {"refine", "frozen"} <= shown and "user_median" not in shown
    assert "What the personas hold" not in printed(without(found).results, width)


def test_the_summary_says_it_of_the_first_updater(found: Run) -> None:
    line = r"Of refine's personas \d+% name a kind; they use \d+ content words\."
    assert [one for one in summary_lines(found.results) if re.fullmatch(line, one)]
    assert not [one for one in summary_lines(without(found).results) if re.fullmatch(line, one)]
