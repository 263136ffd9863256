"""The raw data of each domain: its formats and file names, its rules, and how many users the paper took."""

from dataclasses import dataclass

from deeper.domains import BUILTIN
from deeper.errors import UserError, choose_from

KEEP_FIRST, KEEP_LAST = "first", "last"
"""Which of several ratings of one user and item to keep, the earliest or the latest. Real ratings go before
"no rating"."""

SAMPLING_SALT = "deeper prepare"
"""Public and fixed for ever: this and the raw ids decide which users are sampled."""


@dataclass(frozen=True)
class Source:
    """The raw data of one domain.

    Attributes:
        formats: Names of its raw formats (keys of `raw.readers.READERS`), the most common first.
        category: The domain's name in the names of its files.
        folders: Names that its folder may have, besides its id and aliases.
        keep: Which of several ratings of one user and item to keep: `KEEP_FIRST` or `KEEP_LAST`.
        windows: Windows of each user; users who cannot fill them are left out.
        train: Train users in the paper.
        eval: Eval users in the paper.
    """

    formats: tuple[str, ...]
    category: str
    folders: tuple[str, ...]
    keep: str
    windows: int
    train: int
    eval: int


def _amazon(category: str, train: int, eval_users: int) -> Source:
    formats = ("amazon_2018", "amazon_2023", "amazon_2023_csv", "amazon_csv", "amazon_csv_2014")
    return Source(formats, category, (category,), KEEP_FIRST, 7, train, eval_users)


SOURCES = {
    "food_com": Source(("food_com",), "", (), KEEP_FIRST, 7, 1000, 356),
    "amazon_books": _amazon("Books", 3000, 897),
    "amazon_clothing": _amazon("Clothing_Shoes_and_Jewelry", 300, 243),
    "google_local": Source(("google_local",), "New_York", (), KEEP_FIRST, 6, 2500, 826),
    "amazon_movies": _amazon("Movies_and_TV", 1000, 837),
    "movielens_20m": Source(("movielens",), "", ("ml-20m",), KEEP_LAST, 7, 3000, 1000),
    "amazon_arts": _amazon("Arts_Crafts_and_Sewing", 0, 86),
    "amazon_automotive": _amazon("Automotive", 0, 143),
    "amazon_sports": _amazon("Sports_and_Outdoors", 0, 185),
    "amazon_grocery": _amazon("Grocery_and_Gourmet_Food", 0, 236),
}
"""The ten domains, in the paper's order."""


def find_source(name: str) -> tuple[str, Source]:
    """Return the id and the source of a domain, by id or alias.

    Raises:
        UserError: `deeper prepare` does not know the domain.
    """
    ids = {alias: domain.id for domain in BUILTIN.values() for alias in (domain.id, *domain.aliases)}
    found = ids.get(name, name)
    if found not in SOURCES:
        raise UserError(f"deeper prepare has no domain {name!r}", do=choose_from(SOURCES, name))
    return found, SOURCES[found]
