"""The numbers that shape windows and the parts that users are divided into."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BehaviourRecipe:
    """How behaviour is cut, and which users are judged.

    Attributes:
        window_size: Events in a window.
        window_count: Largest number of windows of a user; later events are left out.
        eval_share: Share of the users that become eval users, rounded up.
        max_eval_users: Most eval users.
        validation_share: Share of the train users that validate; half of the others each are in "a" and "b".
    """

    window_size: int = 10
    window_count: int = 7
    eval_share: float = 0.3
    max_eval_users: int = 100
    validation_share: float = 0.2


RECIPE = BehaviourRecipe()
