"""Each kind of warning is told once in a run, with a count at its end."""

import logging

import pytest

from deeper.commands.execution.joined_warnings import joined_warnings

log = logging.getLogger("deeper.somewhere")


def warn(*lengths: int) -> None:
    for length in lengths:
        log.warning("a prompt of %d tokens is too long", length)


def test_a_kind_is_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    with joined_warnings():
        warn(700, 800)
        log.warning("something else")
        warn(900)
    assert caplog.messages == [
        "a prompt of 700 tokens is too long",
        "something else",
        "note: 3 times in this run: a prompt of 700 tokens is too long",
    ]


def test_a_block_inside_another_counts_with_it(caplog: pytest.LogCaptureFixture) -> None:
    with joined_warnings():
        for length in (700, 800):
            with joined_warnings():
                warn(length)
    assert len(caplog.messages) == 2 and caplog.messages[1].startswith("note: 2 times")


def test_information_and_errors_are_all_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "deeper")
    with joined_warnings():
        for path in ("a", "b"):
            log.info("merging %s", path)
            log.error("no %s", path)
    assert caplog.messages == ["merging a", "no a", "merging b", "no b"]


def test_after_the_block_everything_is_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt), joined_warnings():
        raise KeyboardInterrupt
    warn(700, 800)
    assert len(caplog.messages) == 2
    assert logging.getLogger("deeper").handlers == [] and logging.getLogger("deeper").propagate
