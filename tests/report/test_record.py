"""The terminal recording: every line that a command printed, as text, in order, within one SVG."""

from pathlib import Path
from xml.etree import ElementTree

import pyarrow.csv
import pytest

import record
from deeper.behaviour.own.ratings_file import read_ratings


@pytest.fixture
def lines(tmp_path: Path) -> list[record.Line]:
    found: list[record.Line] = []
    record.run("printf 'a & b\\n<i>\\nReport: page\\n'", tmp_path, {}, found)
    record.run("seq 200; printf '50%%\\r100%%\\n'; echo $MORE >&2", tmp_path, {"MORE": "told" * 30}, found)
    return found


def test_commands_run_and_their_lines_stand_in_order(lines: list[record.Line]) -> None:
    texts = [line.text for line in lines]
    assert texts[:4] == ["$ printf 'a & b\\n<i>\\nReport: page\\n'", "a & b", "<i>", "Report: page"]
    cut = 203 - record.HEAD - record.TAIL
    [second] = [i for i, text in enumerate(texts) if text.startswith("$ seq 200")]
    shown = [*map(str, range(1, record.HEAD + 1)), f"... {cut} lines ..."]
    assert texts[second + 1 : second + len(shown) + 1] == shown
    assert texts[-6:-2] == ["200", "100%", "told" * 25, "told" * 5] and texts[-2].endswith(" s)")
    times = [line.at for line in lines]
    assert times == sorted(times)
    assert lines[4].at - lines[3].at == record.READ_SECONDS["Report: "]


def test_the_picture_holds_every_line_as_text(lines: list[record.Line]) -> None:
    picture = ElementTree.fromstring(record.draw(lines))
    texts = [one.text or "" for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [line.text for line in lines]
    [style] = [one.text or "" for one in picture.iter("{http://www.w3.org/2000/svg}style")]
    assert style.count("@keyframes l") == len(lines)
    assert f"translateY({-(len(lines) - record.ROWS) * record.LINE}px)" in style
    assert "prefers-reduced-motion" in style
    assert not list(picture.iter("{http://www.w3.org/2000/svg}script"))


def test_a_command_that_fails_ends_the_recording(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such thing"):
        record.run("echo no such thing; exit 3", tmp_path, {}, [])


def test_the_made_up_file_is_read_without_a_flag(tmp_path: Path) -> None:
    record.write_ratings(tmp_path / "ratings.csv")
    assert pyarrow.csv.read_csv(tmp_path / "ratings.csv").column_names == ["User ID", "Film", "Stars", "Date"]
    own = read_ratings(tmp_path / "ratings.csv", "film")
    assert own.summary.long_enough == record.USERS and not own.summary.skipped
    assert own.domain.scale.labels[0] == "0.5"
