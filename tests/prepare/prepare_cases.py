"""Domains in their raw formats, and what the fixtures make of them."""

from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A domain in a raw format, with enough ratings for some long users."""

    domain: str
    raw_format: str
    ratings: int


CASES = [
    Case("movielens_20m", "movielens", 20_000),
    Case("movielens_20m", "movielens_kaggle", 8_000),
    Case("amazon_books", "amazon_2018", 30_000),
    Case("amazon_movies", "amazon_2023", 20_000),
    Case("amazon_arts", "amazon_2023_early", 12_000),
    Case("amazon_sports", "amazon_2023_csv", 12_000),
    Case("amazon_grocery", "amazon_csv", 20_000),
    Case("amazon_clothing", "amazon_csv_2014", 12_000),
    Case("food_com", "food_com", 15_000),
    Case("google_local", "google_local", 20_000),
]


class Prepared(NamedTuple):
    """Synthetic raw files, their truth, what was prepared of them, and its report."""

    raw: Path
    truth: dict[str, Any]
    out: Path
    report: dict[str, Any]
