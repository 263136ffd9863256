"""The numbers that shape personas and predictions and are not settings. The manifest of each run records them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PersonaRecipe:
    """Fixed numbers of writing, predicting, calibrating and searching.

    Attributes:
        sentence_tokens: Tokens of an average sentence. Prompts state the length limit in sentences, not tokens.
        title_characters: Prompts cut a longer title.
        leak_retry_temperature: Temperature at which a persona that leaks is sampled once more.
        structured_temperatures: Temperature of each attempt at a structured answer; after the last it has failed.
        raw_history_items: Number of ratings that the control `raw_history` shows.
        search_temperature: Temperature at which candidates are sampled; 1 is the policy's own distribution.
        search_tolerance: A candidate's gain must exceed this. Equal errors summed in another order differ by less.
        leak_letters: Letters that a title of one word needs to count as a leak.
        structured_tokens: Most tokens of a structured answer: a fixed number, and a number for each item.
        write_rows: Personas that are written in one batch. Another batch size changes the last digits of results.
        predict_rows: Personas that are predicted from in one batch, likewise.
        calibration_epsilon: Added to probabilities before a division, to keep one-hot readouts finite.
        calibration_exponents: The largest exponent to try, and the step from 0 to it.
        calibration_cells: Number of cells of the normalised scale [0, 1] on which domains are pooled.
        calibration_pseudo_count: Ratings that are added to each label before shares are computed, so that none is 0.
        calibration_folds: Number of folds of a calibration without train users.
        history_shrinkages: Grid of s, the weight of the domain, in ratings.
        history_weights: Grid of α, the weight of the user's histogram.
        history_persona_weights: Grid of β, the weight of the persona.
        standing_shrinkage_ratings: s, the ratings that stand for what an item's words and categories suggest.
        standing_word_penalty: λ of the regression of standings on words and categories.
        standing_word_support: A word or category counts if this many items have it, and this share of all items.
        standing_cuts: Where "slightly", plain and "far" begin, as shares of the scale's range.
        standing_categories: Most categories that are said of an item.
        standing_many_ratings: From this many ratings on, "others" and not "a few others" rate an item.
    """

    sentence_tokens: int = 24
    title_characters: int = 160
    leak_retry_temperature: float = 0.7
    structured_temperatures: tuple[float, ...] = (0.0, 1.0)
    raw_history_items: int = 10
    search_temperature: float = 1.0
    search_tolerance: float = 1e-9
    leak_letters: int = 8
    structured_tokens: tuple[int, int] = (32, 12)
    write_rows: int = 40
    predict_rows: int = 16
    calibration_epsilon: float = 1e-4
    calibration_exponents: tuple[float, float] = (2.0, 0.05)
    calibration_cells: int = 100
    calibration_pseudo_count: float = 0.5
    calibration_folds: int = 5
    history_shrinkages: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0)
    history_weights: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
    history_persona_weights: tuple[float, ...] = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5)
    standing_shrinkage_ratings: float = 8.0
    standing_word_penalty: float = 30.0
    standing_word_support: tuple[int, float] = (5, 0.002)
    standing_cuts: tuple[float, float, float] = (0.012, 0.035, 0.075)
    standing_categories: int = 4
    standing_many_ratings: int = 5


RECIPE = PersonaRecipe()
