"""The export of one person's ratings: read with no flag at all, as one user, in the person's own ratings."""

import csv
from pathlib import Path

import pytest
from personal_exports_cases import EXPORTS, ITEMS, ExportCase

from deeper.behaviour.own.meaning.personal_exports import EXPORTS as KNOWN
from deeper.behaviour.own.meaning.personal_exports import recognise
from deeper.behaviour.own.ratings_file import read_ratings


def of_header(case: ExportCase) -> str:
    return f"{case.site}, {len(case.header.split(','))} columns"


def write(folder: Path, text: str) -> Path:
    path = folder / "export.csv"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("mark", ["", "0", "-1", "NaN"])
@pytest.mark.parametrize("case", EXPORTS, ids=of_header)
def test_an_export_is_read_without_a_flag(tmp_path: Path, case: ExportCase, mark: str) -> None:
    own = read_ratings(write(tmp_path, case.text(mark)))
    look = own.summary
    assert dict(look.columns) == case.columns
    assert own.domain.scale == case.scale
    assert (look.rows, look.ratings, look.users, look.long_enough) == (ITEMS, ITEMS * 2 // 3, 1, 1)
    assert look.unrated == {{"": "blank", "NaN": "blank"}.get(mark, mark): ITEMS // 3} and not look.skipped
    assert own.notes[0] == f"this is an export of {case.site}: all ratings are read as one person's"
    assert f"{case.site}; --scale MIN:MAX:STEP sets another" in look.scale_origin
    items = [item for window in own.windows["items"].to_pylist() for item in window]
    assert [item["rating"] for item in items] == [case.rating(i) for i in range(ITEMS) if i % 3 != 2]
    assert [item["title"].removesuffix(" (1993)") for item in items[:2]] == ["Cove No. 0", "Cove No. 1"]


def test_every_known_site_has_a_case() -> None:
    assert {export.site for export in KNOWN} == {case.site for case in EXPORTS}


@pytest.mark.parametrize("case", EXPORTS, ids=of_header)
def test_an_export_is_taken_for_no_other_site(case: ExportCase) -> None:
    header = next(csv.reader([case.header]))
    assert [export.site for export in KNOWN if recognise(header) is export] == [case.site]
    assert recognise([*header, "userId"]) is None


def test_an_export_with_a_column_for_the_user_has_several_users(tmp_path: Path) -> None:
    lines = EXPORTS[0].text("0").splitlines()
    text = "\n".join([f"{lines[0]},User", *(f"{line},u{i // ITEMS}" for i, line in enumerate(lines[1:] * 2))])
    own = read_ratings(write(tmp_path, text), scale="0.5:5:0.5")
    assert (own.summary.users, own.summary.columns["user"]) == (2, "User")


def test_ratings_off_the_site_s_scale_show_their_own(tmp_path: Path) -> None:
    [case] = [case for case in EXPORTS if case.site == "MovieLens"]
    text = case._replace(rating=lambda i: (1, 7)[i % 2]).text("")
    own = read_ratings(write(tmp_path, text))
    assert (own.domain.scale.minimum, own.domain.scale.maximum) == (1, 7)
    assert own.summary.scale_origin.startswith("derived from the ratings")


def test_what_the_user_says_comes_before_what_is_known(tmp_path: Path) -> None:
    [case] = [case for case in EXPORTS if case.site == "Goodreads"]
    own = read_ratings(
        write(tmp_path, case.text("0")), scale="1:10:1", columns=["user=Author", "title=Author l-f", "time="]
    )
    assert own.summary.columns == {"user": "Author", "title": "Author l-f", "rating": "My Rating", "item": "Book Id"}
    assert own.domain.scale.maximum == 10
