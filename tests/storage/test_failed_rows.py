"""Which rows are asked again, and where their new rows belong."""

import pyarrow as pa

from deeper.storage.failed_rows import failed_inputs, with_new_rows

INPUT = pa.table({"user": ["ann", "bob", "cleo"], "k": [1, 1, 1], "seen": ["a", "b", "c"]})
OUTPUT = pa.table(
    {
        # As updates are: short-term personas of some users come first.
        "user": ["bob", "cleo", "ann", "bob", "cleo"],
        "k": [1, 1, 1, 1, 1],
        "text": ["b1", "c1", "a2", "", "c2"],
        "failure": ["", "", "", "HTTP 500", ""],
    }
)
KEYS = ("user", "k")


def test_an_input_failed_if_one_of_its_output_rows_did() -> None:
    assert failed_inputs(INPUT, OUTPUT, KEYS).to_pylist() == [{"user": "bob", "k": 1, "seen": "b"}]


def test_without_keys_nothing_is_asked_again() -> None:
    assert failed_inputs(INPUT, OUTPUT, ()) == INPUT.slice(0, 0)


def test_new_rows_take_the_places_of_the_old_ones() -> None:
    new = pa.table({"user": ["bob", "bob"], "k": [1, 1], "text": ["b1 again", "b2"], "failure": ["", ""]})
    found = with_new_rows(OUTPUT, new, KEYS)
    assert found["text"].to_pylist() == ["b1 again", "c1", "a2", "b2", "c2"]
    assert found["user"].to_pylist() == OUTPUT["user"].to_pylist()
    assert set(found["failure"].to_pylist()) == {""}
