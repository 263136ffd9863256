"""Tests of the fingerprints of windows."""

from typing import Any

from deeper.behaviour.fingerprints import fingerprints


def item(title: str, rating: float, **more: Any) -> dict[str, Any]:
    return {"item": "i", "title": title, "categories": [], "rating": rating, "time": None} | more


def test_the_same_ratings_of_the_same_titles_are_found_again() -> None:
    one = [item("Cove", 4.0), item("Reef", 2.5)]
    again = [item("Reef", 2.5, item="other", time=7), item("Cove", 4, item="another")]
    assert fingerprints([one, again]) == fingerprints([again])
    assert len(fingerprints([one])[0]) == 16


def test_other_ratings_titles_and_lengths_differ() -> None:
    windows = [
        [item("Cove", 4.0), item("Reef", 2.5)],
        [item("Cove", 2.5), item("Reef", 4.0)],
        [item("Cove", 4.0), item("Rift", 2.5)],
        [item("Cove", 4.0)],
        [item("Cove", 4.0), item("Cove", 4.0)],
        [item("Cove", 4.0), item("Reef\x00", 2.5)],
    ]
    assert len(fingerprints(windows)) == len(windows)
