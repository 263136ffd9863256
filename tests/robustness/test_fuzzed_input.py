"""Every reader of foreign bytes takes an input or refuses it, and changes no value silently.

`benchmarks/fuzz.py` feeds the same targets for longer, guided by coverage.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deeper.errors import UserError
from fuzzing import TARGETS, Target
from fuzzing.target import SilentChange, feed, same

EXAMPLES = 12
"""Changed inputs of each target."""
MARKS = (b"\0", b'"', b"\n", b"\r", b"[" * 2000, b"9" * 5000, b"-1", b"1e999", b"nan", b"null", b"\xff",
         b"\xed\xa0\x80", b"\\ud800", b"\x7f", b"\xe2\x80\xa8", b"{}", b"''")  # fmt: skip
CHUNKS = st.one_of(st.sampled_from(MARKS), st.binary(max_size=6))


@st.composite
def changed(draw: Callable[..., Any], seeds: list[bytes]) -> bytes:
    """A seed of which some places are overwritten, filled in, cut out, or doubled."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from((0, 1, 4, 30))))
        way = draw(st.sampled_from(("replace", "insert", "double", "cut")))
        chunk = bytes(data[start:end]) * 2 if way == "double" else b"" if way == "cut" else draw(CHUNKS)
        data[start : start if way == "insert" else end] = chunk
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_reader_takes_or_refuses(target: Target, tmp_path: Path) -> None:
    read = target.make(tmp_path)
    seeds = list(target.seeds(tmp_path))
    outcomes = [feed(read, seed) for seed in seeds]
    assert "taken" in outcomes

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
    @given(changed(seeds))
    def feed_changed(data: bytes) -> None:
        feed(read, data)

    feed_changed()
    feed(read, b"")


FOUND = {
    "raw_csv": [b'user_id,recipe_id,date,rating,review"b""\n c"\n', b"user_id,recipe_id,date,rating\n1,2\r3,4,5\n"],
    "raw_csv_two_ways": [b'user_id,recipe_iw,review c"2,55,\n', b"1,2,3\r4,5,6\n"],
    "domain_toml": [b"a=" + b"[" * 2000, b"a=" + b"9" * 5000],
    "configuration": [b"a=" + b"[" * 2000, b'data="\\u007f"'],
    "run_config": [b"a=" + b"[" * 2000],
    "run_json": [b"[" * 100_000, b"[1]", b"\xff", b"1" * 5000],
    "adapter_card": [b"[" * 100_000],
    "adapter_configuration": [b"[" * 100_000],
    "pairs_json": [b'["templates"]', b"[" * 100_000],
    "checkpoint_mark": [b"[]", b"[" * 100_000],
    "retry_after": [b"Mon, 01 Jan 99999 00:00:00 GMT", b"Mon, 99 Jan 2026 99:99:99 GMT"],
    "server_body": [
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 99999999999999999999}}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": -5}}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
    ],
}
"""Inputs that were findings once, by target, shortened."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str, tmp_path: Path) -> None:
    [target] = [target for target in TARGETS if target.name == name]
    read = target.make(tmp_path)
    for data in FOUND[name]:
        feed(read, data)


def test_findings_are_seen() -> None:
    def fail(data: bytes) -> None:
        if data:
            raise ValueError("no")
        same(1, 2, "a number")

    with pytest.raises(ValueError, match="no"):
        feed(fail, b"x")
    with pytest.raises(SilentChange, match="a number differs"):
        feed(fail, b"")

    def refuse(data: bytes) -> None:
        raise UserError("not that", do="give something else")

    assert feed(refuse, b"") == "refused"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the processor time of a process is read from /proc")
def test_disturbed_runs_end_with_the_same_tables() -> None:
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "chaos.py"
    command = [sys.executable, script, "--runs", "6", "--commands", "sample,prepare", "--seed", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"folders_the_same": 2' in done.stdout
    assert '"killed: killed"' in done.stdout
