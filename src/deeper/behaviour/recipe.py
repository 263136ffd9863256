"""The numbers that shape windows, the parts that users are divided into, and the categories of items."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BehaviourRecipe:
    """How behaviour is cut, which users are judged, and which categories are kept.

    Attributes:
        window_size: Events in a window.
        window_count: Largest number of windows of a user; later events are left out.
        eval_share: Share of the users that become eval users, rounded up.
        max_eval_users: Most eval users.
        validation_share: Share of the train users that validate; half of the others each are in "a" and "b".
        max_category_share: A category of more than this share of the items that have one tells hardly any items apart,
            and is dropped: the root of a path of categories, for example.
        max_category_characters: A longer text describes an item and is no category.
        max_categories: Most categories of an item; later ones are left out.
    """

    window_size: int = 10
    window_count: int = 7
    eval_share: float = 0.3
    max_eval_users: int = 100
    validation_share: float = 0.2
    max_category_share: float = 0.9
    max_category_characters: int = 60
    max_categories: int = 40


RECIPE = BehaviourRecipe()
