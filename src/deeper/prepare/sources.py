"""Where each domain's raw data lies in its files, which rules it has, and how many users the paper took of it."""

from dataclasses import dataclass

from deeper.behaviour.load import domain_id
from deeper.errors import UserError

FIRST, LAST = "first", "last"
"""Which of several ratings of one user and item stays: the earliest or the latest; a real one before "no rating"."""

SALT = "deeper prepare"
"""Public, and the same for ever: which users are sampled depends on it and on their raw ids."""


@dataclass(frozen=True)
class Source:
    """The raw data of one domain.

    Attributes:
        formats: Names of raw formats it comes in (`readers.FORMATS`), the commonest first.
        category: What stands in the names of its files.
        folders: Folders that it may lie in below a common one, besides its id and aliases.
        keep: Which of several ratings of one user and item stays: `FIRST` or `LAST`.
        windows: Windows that a user must fill, and that are cut.
        train: Train users that the paper took.
        eval: Eval users that it took.
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
    return Source(formats, category, (category,), FIRST, 7, train, eval_users)


SOURCES = {
    "food_com": Source(("food_com",), "", (), FIRST, 7, 1000, 356),
    "amazon_books": _amazon("Books", 3000, 897),
    "amazon_clothing": _amazon("Clothing_Shoes_and_Jewelry", 300, 243),
    "google_local": Source(("google_local",), "New_York", (), FIRST, 6, 2500, 826),
    "amazon_movies": _amazon("Movies_and_TV", 1000, 837),
    "movielens_20m": Source(("movielens",), "", ("ml-20m",), LAST, 7, 3000, 1000),
    "amazon_arts": _amazon("Arts_Crafts_and_Sewing", 0, 86),
    "amazon_automotive": _amazon("Automotive", 0, 143),
    "amazon_sports": _amazon("Sports_and_Outdoors", 0, 185),
    "amazon_grocery": _amazon("Grocery_and_Gourmet_Food", 0, 236),
}
"""The ten domains, in the paper's order."""


def find_source(name: str) -> tuple[str, Source]:
    """The domain's id and its source, by id or alias.

    Raises:
        UserError: No raw data is known of that name.
    """
    found = domain_id(name, {})
    if found not in SOURCES:
        raise UserError(f"no raw data is known for {name!r}", do=f"choose from {', '.join(SOURCES)}")
    return found, SOURCES[found]
