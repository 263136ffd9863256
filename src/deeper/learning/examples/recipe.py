"""The numbers that decide what policies and predictors learn from. Adapters were trained with these values."""

from dataclasses import dataclass, field

from deeper.learning.examples.tasks import PersonaKind, Task


def _task_shares() -> dict[Task, float]:
    return {
        "initialise": 0.2,
        "refine": 0.2,
        "incremental_update": 0.2,
        "hierarchical_merge": 0.2,
        "full_regeneration": 0.2,
        "slide_regeneration": 0.0,
    }


def _persona_kind_shares() -> dict[PersonaKind, float]:
    return {"policy": 0.4, "describer": 0.3, "level_only": 0.22, "unknown": 0.08}


@dataclass(frozen=True)
class LessonRecipe:
    """How lessons for a policy are drawn.

    Attributes:
        task_shares: Share of each task. All updaters learn equally, so a comparison is one of methods and not of
            practice. Slide regeneration asks exactly what initialising asks, and has its share there.
        strong_share: Share of lessons of users with stronger tastes than real ones (`strong_tastes`).
        strong_kinds: Fewest and most kinds that such a user rates higher or lower.
        strong_effects: By how much, as a share of the scale's range.
        made_kinds: Fewest and most made-up kinds of a user whose items have no categories.
        single_kind_share: Share of items with one made-up kind; the others have two.
        imperfect_persona_share: Share of old personas that say less than could be known, or something wrong. A policy's
            own personas are never perfect, and it must learn to mend them.
        same_form_share: Share of old personas that state the verdict in the answer's form. A policy's own always do,
            and it must not copy the level that follows the same words.
        verdict_answers: Extra answers of each lesson that state only the verdict, each in other words.
        wrong_level_shifts: Steps of the scale by which the level of a wrong old persona is off.
        scattered_share: Share of predictions that scatter around the old persona's verdict; the others are the verdict
            for all items.
        scatter: Standard deviation of scattered predictions, as a share of the scale's range.
        unpredicted_share: Share of refinements without predictions, as where a prediction failed.
    """

    task_shares: dict[Task, float] = field(default_factory=_task_shares)
    strong_share: float = 0.5
    strong_kinds: tuple[int, int] = (2, 6)
    strong_effects: tuple[float, float] = (0.12, 0.4)
    made_kinds: tuple[int, int] = (4, 9)
    single_kind_share: float = 0.7
    imperfect_persona_share: float = 0.5
    same_form_share: float = 0.5
    verdict_answers: int = 3
    wrong_level_shifts: tuple[int, ...] = (-2, -1, 1, 2)
    scattered_share: float = 0.5
    scatter: float = 0.15
    unpredicted_share: float = 0.03


@dataclass(frozen=True)
class ReadingRecipe:
    """How readings for a predictor are drawn.

    Attributes:
        persona_kind_shares: Share of each kind of persona. Predictors mostly read a policy's personas, so those have
            the largest share where there are any; without them the others keep their proportions. The describer's say
            most, and the verdict alone keeps the level from being drowned. An empty persona stands for the average
            user; it is always the same text and needs few examples.
        known_items_share: With item knowledge, share of readings whose prompt has it. The others keep what a title
            alone says, so one predictor serves both protocols.
        items: Most items of a reading, drawn from its window. Three items show as much of a persona as eight; which
            titles are liked takes many.
        later_window_share: Share of readings whose target is one window later: a persona must hold for longer than ten
            items.
    """

    persona_kind_shares: dict[PersonaKind, float] = field(default_factory=_persona_kind_shares)
    known_items_share: float = 0.7
    items: int = 8
    later_window_share: float = 0.2


LESSONS = LessonRecipe()
"""The recipe of all lessons."""
READINGS = ReadingRecipe()
"""The recipe of all readings."""
